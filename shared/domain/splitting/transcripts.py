"""Join transcripts of the parts of a recording into one whose times are those of the whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.timestamps import written, written_exactly
from shared.domain.answer.transcript import is_transcript, listed, segments
from shared.domain.splitting.merge import Merged, merge_values
from shared.domain.splitting.plan import OVERLAP_SECONDS, Span
from shared.domain.splitting.seams import Piece, join_pieces, join_texts
from shared.domain.splitting.timed_text import Layout, read_timed, write_timed

_SLACK = 5.0
"""Seconds by which a model's times may be off."""
_TRIMMED = 0.05
"""Seconds by which a trimmed segment's ends may be off from those of its words."""


class JoinedText(NamedTuple):
    text: str
    warnings: tuple[str, ...]


class JoinedSegments(NamedTuple):
    value: JsonValue
    conflicts: tuple[str, ...]
    warnings: tuple[str, ...]


def in_source_time(pieces: Sequence[Piece], span: Span) -> list[Piece]:
    """Return the pieces with times of the whole recording, which some models write of their own accord."""
    if not pieces:
        return []
    length = span.end - span.start
    earliest, latest = min(piece.start for piece in pieces), max(piece.end or piece.start for piece in pieces)
    if span.start == 0 or (latest > length + _SLACK and earliest >= span.start - _SLACK):
        return list(pieces)
    return [
        piece._replace(start=piece.start + span.start, end=None if piece.end is None else piece.end + span.start)
        for piece in pieces
    ]


def join_plain(texts: Sequence[str], plan: Sequence[Span]) -> JoinedText:
    """Join transcripts in plain text, with or without times in front of their lines."""
    timed = [read_timed(text) for text in texts]
    if any(read is None for read, text in zip(timed, texts, strict=True) if text.strip()):
        return _join_untimed(texts, plan)
    parts, layouts, preambles = list[list[Piece]](), list[Layout](), list[str]()
    for read, span in zip(timed, plan, strict=True):
        if read is None:
            parts.append([])
            continue
        pieces = [piece._replace(origin=piece.origin + len(layouts)) for piece in read.pieces]
        parts.append(in_source_time(pieces, span))
        layouts += read.layouts
        preambles.append(read.preamble)
    joined, warnings = _joined(parts, plan)
    text = write_timed(next(iter(preambles), ""), [(piece, layouts[piece.origin]) for piece in joined])
    return JoinedText(text, warnings)


def join_segments(values: Sequence[JsonValue], plan: Sequence[Span]) -> JoinedSegments:
    """Join structured transcripts: their segments at the seams, other fields as those of any structured answer."""
    origins: list[dict[str, JsonValue]] = []
    parts: list[list[Piece]] = []
    for value, span in zip(values, plan, strict=True):
        pieces, own = list[Piece](), list[dict[str, JsonValue]]()
        for item, segment in zip(listed(value) or [], segments(value), strict=True):
            pieces.append(Piece(segment.start, segment.end, segment.text, len(origins) + len(own)))
            own.append(cast(dict[str, JsonValue], item))
        moved = in_source_time(pieces, span)
        origins += [
            _with_words_moved(item, after.start - before.start)
            for item, before, after in zip(own, pieces, moved, strict=True)
        ]
        parts.append(moved)
    joined, warnings = _joined(parts, plan)
    items: list[JsonValue] = [_as_item(piece, origins[piece.origin]) for piece in joined]
    if not isinstance(values[0], dict):
        return JoinedSegments(items, (), warnings)
    others = [{**value, "segments": None} for value in values if isinstance(value, dict)]
    merged: Merged = merge_values(cast(list[JsonValue], others))
    return JoinedSegments({**cast(dict[str, JsonValue], merged.value), "segments": items}, merged.conflicts, warnings)


def are_transcripts(values: Sequence[JsonValue]) -> bool:
    """Return whether all values are transcripts whose times can be read."""
    try:
        return all(is_transcript(value) and [segments(value)] for value in values) and (
            len({type(value) for value in values}) == 1
        )
    except ValueError:
        return False


def _joined(parts: Sequence[Sequence[Piece]], plan: Sequence[Span]) -> tuple[list[Piece], tuple[str, ...]]:
    whole, warnings = list(parts[0]), list[str]()
    for part, cut in zip(parts[1:], _cuts(plan), strict=True):
        if not whole or not part:
            whole = [*whole, *part]
            continue
        whole, fits = join_pieces(whole, part, cut, OVERLAP_SECONDS)
        if not fits:
            warnings.append(_unmatched(cut))
    return whole, tuple(warnings)


def _join_untimed(texts: Sequence[str], plan: Sequence[Span]) -> JoinedText:
    whole, warnings = texts[0], list[str]()
    for text, cut in zip(texts[1:], _cuts(plan), strict=True):
        whole, fits = join_texts(whole, text)
        if not fits:
            warnings.append(_unmatched(cut))
    return JoinedText(whole, tuple(warnings))


def _cuts(plan: Sequence[Span]) -> list[float]:
    return [(before.end + after.start) / 2 for before, after in pairwise(plan)]


def _unmatched(cut: float) -> str:
    return (
        f"Around {written(cut)}, where the recording was split, the two transcripts have no words in common: "
        "a few words may be doubled or missing there."
    )


def _as_item(piece: Piece, origin: dict[str, JsonValue]) -> JsonValue:
    item = {**origin, "start": _as_written(piece.start, origin["start"]), "text": piece.text}
    if piece.end is not None:
        item["end"] = _as_written(piece.end, origin.get("end"))
    if isinstance(words := origin.get("words"), list):
        item["words"] = [word for word in words if _lies_within(word, piece)]
    return item


def _with_words_moved(item: dict[str, JsonValue], seconds: float) -> dict[str, JsonValue]:
    """Return a segment whose words, if it has any, are timed like itself: `seconds` later."""
    words = item.get("words")
    if not isinstance(words, list):
        return item
    return {**item, "words": [_later(word, seconds) for word in words]}


def _later(word: JsonValue, seconds: float) -> JsonValue:
    if not isinstance(word, dict):
        return word
    moments = {name: word.get(name) for name in ("start", "end")}
    moved = {name: round(at + seconds, 3) for name, at in moments.items() if isinstance(at, int | float)}
    return cast(JsonValue, {**word, **moved})


def _lies_within(word: JsonValue, piece: Piece) -> bool:
    """Return whether a word is part of what was kept of its segment at a seam."""
    start = word.get("start") if isinstance(word, dict) else None
    if not isinstance(start, int | float) or piece.end is None:
        return True
    return piece.start - _TRIMMED <= start <= piece.end + _TRIMMED


def _as_written(seconds: float, pattern: JsonValue) -> JsonValue:
    """Return a moment as a number where it was one."""
    if isinstance(pattern, int) and not isinstance(pattern, bool):
        return round(seconds)
    return round(seconds, 3) if isinstance(pattern, float) else written_exactly(seconds)
