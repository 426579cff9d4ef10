"""Write the answer of a transcribing model, which is made of timed words, as a transcript with segments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

from pydantic import JsonValue

from shared.domain.answer import response as answer
from shared.domain.answer.finish_reasons import ending_of
from shared.domain.answer.response import Json
from shared.domain.answer.transcript import TimedWord

_PAUSE = 1.0
"""Seconds of silence between two words that begin a new segment."""
_LONGEST = 20.0
"""The most seconds of a segment."""
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: no blanks between words."""
_UNSPACED_END, _UNSPACED_START = re.compile(f"[{_UNSPACED}]$"), re.compile(f"^[{_UNSPACED}]")
_LABEL = re.compile(r"(?:spk|speaker)[ _-]?(\d+)", re.IGNORECASE)


def join_words(texts: Iterable[str]) -> str:
    """Return the words as text, with blanks between them if their language uses blanks."""
    joined = ""
    for text in texts:
        is_close = _UNSPACED_END.search(joined) and _UNSPACED_START.search(text)
        joined += text if is_close or not joined else f" {text}"
    return joined


def write_transcript(response: Json) -> Json:
    """Return the response with a transcript as its text: `{language, segments: [{start, end, speaker, text, words}]}`.

    A recording without speech has no segments. An answer that broke off or is plain text is returned unchanged.
    """
    candidates = answer.candidates(response)
    if not candidates:
        return response
    words, language = _timed_words(candidates[0])
    if not words:
        ended = ending_of(answer.finish_reason(candidates[0])) == "whole"
        if not ended or answer.has_words(answer.text(candidates[0])):
            return response
    value: Json = {"language": language, "segments": cast(JsonValue, [_segment(group) for group in _groups(words)])}
    part: Json = {"text": json.dumps(value, ensure_ascii=False)}
    written: Json = {**candidates[0], "content": {"role": "model", "parts": [part]}}
    return {**response, "candidates": [written]}


def _timed_words(candidate: Json) -> tuple[list[TimedWord], str]:
    """Return the words in their order, and the language of the first of them."""
    words: list[TimedWord] = []
    language, speaker = "", ""
    for part in answer.parts(candidate):
        spoken = part.get("audioTranscription")
        if not isinstance(spoken, dict):
            continue
        language = language or _text(spoken, "languageCode")
        speaker = _speaker(_text(spoken, "speakerLabel")) or speaker
        listed = spoken.get("words")
        for word in listed if isinstance(listed, list) else ():
            if isinstance(word, dict) and (text := _text(word, "word").strip()):
                start = _seconds(word.get("startOffset"), words[-1].end if words else 0.0)
                words.append(TimedWord(start, max(start, _seconds(word.get("endOffset"), start)), text, speaker))
    return words, language


def _groups(words: list[TimedWord]) -> Iterator[list[TimedWord]]:
    """Yield the words of each segment: a sentence of one speaker, or the words between two pauses."""
    group: list[TimedWord] = []
    for word in words:
        if group and _begins_segment(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _begins_segment(group: list[TimedWord], word: TimedWord) -> bool:
    first, last = group[0], group[-1]
    if word.speaker != last.speaker or _SENTENCE_END.search(last.text):
        return True
    return word.start - last.end > _PAUSE or word.end - first.start > _LONGEST


def _segment(group: list[TimedWord]) -> Json:
    words: list[JsonValue] = [{"word": word.text, "start": word.start, "end": word.end} for word in group]
    return {
        "start": group[0].start,
        "end": group[-1].end,
        "speaker": group[0].speaker,
        "text": join_words(word.text for word in group),
        "words": words,
    }


def _speaker(label: str) -> str:
    """Return a speaker's name: `Speaker 1` for the service's `spk_1`."""
    match = _LABEL.fullmatch(label.strip())
    return f"Speaker {match[1]}" if match else label.strip()


def _text(value: Json, name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _seconds(offset: JsonValue, otherwise: float) -> float:
    """Return a protobuf Duration in seconds, or `otherwise` for other values."""
    if isinstance(offset, int | float) and not isinstance(offset, bool):
        return round(max(0.0, float(offset)), 3)
    try:
        return round(max(0.0, float(str(offset).removesuffix("s"))), 3)
    except ValueError:
        return otherwise
