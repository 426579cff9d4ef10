"""No bytes, name, metadata, request, recipe or answer stops a worker: what reads them takes time in proportion.

Each reader, and each pattern of the code by itself, is fed 16 KiB of what makes patterns go back and forth. Where that
takes more than a moment, it must have taken about a quarter of it for a quarter of the text. A reader that takes a
power of the length needs minutes, one that is exponential never ends.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import pkgutil
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import pytest
from pydantic import JsonValue

import local.standins.gemini
import local.standins.storage
import shared
from local.standins.gemini.body import parsed
from local.standins.storage.xml_api import _listed_parts
from shared.cloud.outbound import AddressRefused, target_of
from shared.domain import service_errors as upstream
from shared.domain.answer import citations, code_runs, timestamps, transcript
from shared.domain.answer.transcript import Segment
from shared.domain.checks import continuation, loops, structure, transcript_coverage, words
from shared.domain.errors import PermanentFailure, RequestRefused
from shared.domain.media import InMemory, MediaType, identify, in_utf_8, sniff
from shared.domain.media.ignored_objects import reason_to_ignore
from shared.domain.media.text import encoding_of, kind_by_content
from shared.domain.media.utf8_conversion import EncodingChecker, encoding_warning
from shared.domain.models.releases import release
from shared.domain.outputs import boxes, drawing, markup, subtitles, tables
from shared.domain.recipe import book, placeholders
from shared.domain.recipe.matching import Dropped, choose
from shared.domain.recipe.object_metadata import METADATA_KEYS, apply_metadata
from shared.domain.recipe.toml_lines import lines
from shared.domain.request import tasks
from shared.domain.request.addresses import refusal
from shared.domain.request.inputs import inputs_of
from shared.domain.request.schema import read

pytestmark = pytest.mark.long

LENGTH = 16 << 10
SLOW = {
    "transcripts and their times",
    "words",
    "loops",
    "citations",
    "errors of the service",
    "recipe files",
    "metadata",
}
"""Readers that look at each word in Python, or are fed many times over. Their steps are slow enough for a quarter of
the text to show time that grows faster than the text."""
MOMENT, MOST = 0.06, 4.0
"""Seconds of CPU: what a linear reader takes at half speed, and what none may take."""
STEEP = 9.0
"""How many times longer four times the text may take: 4 is linear, 16 quadratic."""

UNITS = (
    " ", "\n", "\t", "\r\n", " \n", "\n\n ", "<!-- -->", "<!---->", "<!--", "-->", "<?x?>", "<?", "<?xml?>",
    "<", "<a", "<a>", "</a", "<svg", "<!doctype svg [", "<!doctype svg []>", "<!doctype html", "<html", "(",
    "((1", "[", "{", "{{", "{a", "}", ")", "]", '"', '\\"', "'", "\\", "\\'", "'a", '"a', "1", "1 ", "1.",
    "-1", "1:", "00:", "00:00 ", "00:00 - ", "a", "a,", "a.", "a b ", "aA", ", ", "- ", "* ", "*", "--", "-",
    "```", "```\n", "``` ", "` ", "`", "~~~\n", ";", "; ", ";+", ";=", ";+a", "=", "= ", "|", "#", "/", "//",
    ":", "::", "%PDF-", "%PDF-1.7", "1 0 obj", "ID3", "RIFF", "ftyp", "OggS", "encoding=", "charset ",
    "data:a/a;", "a=b;", ";a=", "gs://", "https://", "key=", "api_key:", "AIza", "file", "storage ", "rgb(",
    "-preview", "-a", "gemini-", "segments", "…", "...\n", "no ", "no, ", "日本", "日", "é", "\u200b", "\u2028",
    "\x0b", "\x1a", "\x00", "a\x00", "\x00a", "\x00\x00\x00\x01", "\x7f", "\x80", "\xff", "\xff\xfb",
    "\xff\xfe", "a.a=1\n", "a=1\n", "[a]\n", "[[a]]\n", '"""', "'''", "a = [\n", "Part>", "<Part>", "<ETag> ",
    "<PartNumber>",
)  # fmt: skip
BEFORE = ("", "00:00", "```", "data:audio/mp3;", "manifests/", "[[recipe]]\n", "<?xml ", '"', "{\\rtf1", "gemini-2.5-a")
BEHIND = ("", "x", "\n", "<svg ", "<!doctype html>", '"')

Reader = Callable[[str], object]


def _as_bytes(text: str) -> bytes:
    return text.encode("latin-1") if text.isascii() or max(text) <= "\xff" else text.encode()


def _bytes_reader(reader: Callable[[bytes], object]) -> Reader:
    return lambda text: reader(_as_bytes(text))


def _identified(data: bytes) -> None:
    for name in ("a", "a.pdf", "a.svg"):
        found = identify(InMemory(data), name)
        if isinstance(found, MediaType) and found.family == "text":
            encoding_warning(found.encoding, len(data))


def _whole(data: bytes) -> None:
    for encoding in ("utf-8", "windows-1252", "utf-16-le"):
        judged = EncodingChecker(encoding)
        judged.feed(data)
        assert judged.encoding != ""
        in_utf_8(data, encoding)


def _granted(text: str) -> None:
    recipes = book.built_in().recipes
    about = {"name": "a.mp3", "family": "audio"}
    for setting in METADATA_KEYS:
        key = f"dropsight-{setting.replace('_', '-')}"
        told = Dropped.model_validate({**about, "metadata": {key: text[: 8 << 10]}})
        for recipe in (choose(recipes, told), *recipes[:3]):
            with contextlib.suppress(PermanentFailure):
                apply_metadata(recipes, recipe.model_copy(update={"allow": METADATA_KEYS}), told)
    told = Dropped.model_validate({**about, "metadata": {f"dropsight-{text[: 8 << 10]}": "x"}})
    apply_metadata(recipes, choose(recipes, told), told)


def _submitted(text: str) -> None:
    told: dict[str, JsonValue] = {"model": "gemini-2.5-flash-lite", "audio_url": "https://example.com/a.mp3"}
    bodies: list[bytes] = [text.encode("utf-8", "replace")]
    bodies += [
        json.dumps({**told, field: text}).encode() for field in ("audio_url", "model", "prompt", "recipe", "stop")
    ]
    schema: JsonValue = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "description": text}}}
    bodies.append(json.dumps({**told, "response_format": schema}).encode())
    for body in bodies:
        with contextlib.suppress(RequestRefused):
            inputs_of(read(body))


def _cited(text: str) -> None:
    supports = [
        {"segment": {"text": text[at : at + 50]}, "groundingChunkIndices": [0]} for at in range(0, len(text), 500)
    ]
    chunks = [{"web": {"uri": f"https://{text}", "title": text}}]
    found: JsonValue = cast(JsonValue, {"groundingSupports": supports, "groundingChunks": chunks})
    told = citations.citations({"groundingMetadata": found}, text)
    markup.with_sources(text, citations.pages_of({"annotations": cast(JsonValue, told[:20])}))


def _failed(text: str) -> None:
    details: list[JsonValue] = [
        {"@type": "x.RetryInfo", "retryDelay": text},
        {"@type": "x.QuotaFailure", "violations": [{"quotaMetric": text, "quotaId": text}]},
        {"@type": "x.ErrorInfo", "reason": text},
    ]
    for code in (400, 403, 404, 429, 500):
        upstream.failure(code, text[:100], text, details)


def _recipes(text: str) -> None:
    book.check(text)
    head = '[[recipe]]\nname = "a"\ntakes = ["audio"]\nprompt = '
    quoted = json.dumps(text[: 20 << 10])
    book.check(f"{head}{quoted}\n")
    book.check(f"{head}'''{text}'''\n")
    book.check(f"{head}{quoted}\nfor = {{ min_size = {quoted}, glob = {quoted} }}\n")


def _subtitled(text: str) -> None:
    told = [Segment(0.0, None, text, text), Segment(1.0, 2.0, text, "")]
    subtitles.srt(told), subtitles.vtt(told), subtitles.plain(told)


def _boxed(text: str) -> None:
    value: JsonValue = [{"box_2d": [1, 2, 3, 4], "label": text, "mask": text}]
    boxes.boxes(value, None, 100, 100), boxes.published(value, None, 100, 100), drawing.legible(text, 1)


def _tabled(text: str) -> None:
    tables.table([{text: text}])
    tables.neutralised(text)


def _continued(text: str) -> None:
    for first, second in ((text, text), ("A sentence that is broken off here", text), (text, f"{text[-120:]} and on")):
        continuation.join_without_overlap(first, second)
        continuation.join_without_overlap(first, second, structured=True)


def _structured(text: str) -> None:
    for answer in (text, f"```json\n{text}\n```", f'{{"a": "{text}"}}'):
        structure.read(answer, {"type": "object"})


def _addressed(text: str) -> None:
    refusal(text)
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        with contextlib.suppress(AddressRefused):
            target_of(url)


def _named(text: str) -> None:
    for name in (text, f"manifests/{text}", f"api/{text}.json"):
        tasks.id_of_object(name), tasks.manifest_owner(name)
    reason_to_ignore(text[:1024], ("*a*b", "**/x"))


def _placed(text: str) -> None:
    about = Dropped(name="a.mp3", family="audio", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    list(itertools.islice(placeholders.flaws(text), 100))
    list(placeholders.metadata_keys(text))
    with contextlib.suppress(placeholders.Missing):
        placeholders.fill(text, about)


def _timed(text: str) -> None:
    transcript.segments_in_text(text)
    transcript_coverage.transcript_warnings(text, None, 3600.0)
    for value in (text, text[:100]):
        with contextlib.suppress(ValueError):
            timestamps.seconds_of(value)
        with contextlib.suppress(ValueError):
            transcript.segments([{"start": value, "end": value, "text": value}])


READERS: dict[str, Reader] = {
    "sniff": _bytes_reader(lambda data: sniff(data, "a.txt", "text/plain")),
    "identify text": _bytes_reader(_identified),
    "encoding": _bytes_reader(encoding_of),
    "kind of text": _bytes_reader(
        lambda data: (kind_by_content(data, "utf-8", "a.svg"), kind_by_content(data, "windows-1252"))
    ),
    "whole text": _bytes_reader(_whole),
    "transcripts and their times": _timed,
    "words": lambda text: (words.count(text), words.pieces(text)),
    "loops": loops.repeated_phrase,
    "subtitles": _subtitled,
    "tables": _tabled,
    "boxes": _boxed,
    "fences": lambda text: (
        markup.unfenced(text),
        markup.fence_content(text, "html"),
        markup.unfenced(f"```{text}\n```"),
    ),
    "pages": lambda text: markup.page(text.replace("<a>", "<a"), "a"),
    "continuations": _continued,
    "structured answers": _structured,
    "code runs": lambda text: code_runs.as_markdown(
        {"code_execution": [{"code": text, "output": text, "outcome": "ok"}]}
    ),
    "citations": _cited,
    "errors of the service": _failed,
    "recipe files": _recipes,
    "lines of recipe files": lambda text: lines(text),
    "placeholders": _placed,
    "metadata": _granted,
    "addresses": _addressed,
    "requests": _submitted,
    "names of objects": _named,
    "names of models": lambda text: (release(text), release(f"gemini-2.5-{text}")),
    "the stand-in's requests": _bytes_reader(lambda data: _quietly(parsed, data)),
    "the stand-in's lists of parts": lambda text: _quietly(_listed_parts, text),
}


def _quietly(reader: Callable[[Any], object], given: object) -> None:
    with contextlib.suppress(Exception):
        reader(given)


@cache
def _around(length: int) -> list[tuple[str, str]]:
    """What a text is of, and the text: each unit alone, some behind a beginning and before an end that readers seek."""
    made: list[tuple[str, str]] = []
    for number, unit in enumerate(UNITS):
        text = (unit * (length // len(unit) + 1))[:length]
        made.append((unit, text))
        if number % 3 == 0:
            before, behind = BEFORE[number % len(BEFORE)], BEHIND[number % len(BEHIND)]
            made.append((f"{before}, {unit}, {behind}", before + text + behind))
    for before, unit in itertools.product(BEFORE, (" ", "\n", "a")):
        made.append((f"{before}, {unit}", before + unit * length + "x"))
    return made


def _seconds(reader: Reader, text: str) -> float:
    began = time.process_time()
    reader(text)
    return time.process_time() - began


def assert_linear(reader: Reader, length: int) -> None:
    """A short text first, so that what never ends is found on that."""
    for (unit, shortest), (_, short), (_, long) in zip(
        _around(length // 32), _around(length // 4), _around(length), strict=True
    ):
        assert _seconds(reader, shortest) < MOST, f"{len(shortest):,} of {unit!r}"
        if (taken := _seconds(reader, long)) > MOMENT:
            taken = min(taken, _seconds(reader, long))
            before = min(_seconds(reader, short) for _ in range(3))
            told = f"{unit!r}: {before:.3f} s for a quarter, {taken:.3f} s for all"
            assert taken < MOST, told
            assert taken < max(MOMENT, STEEP * before), told


def _patterns() -> dict[str, re.Pattern[Any]]:
    """Every pattern that a module of the product, or of the stand-ins of the model and of the storage, compiles."""
    found: dict[str, re.Pattern[Any]] = {}
    for package in (shared, local.standins.gemini, local.standins.storage):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[f"{module.name}.{name}"] = value
    return found


AT_THE_START = {
    "local.standins.gemini.metadata_filter._TOKEN",
    "local.standins.gemini.wire._DURATION",
    "shared.domain.checks.continuation._OPENED",
    "shared.domain.recipe.toml_lines._HEADER",
    "shared.domain.recipe.toml_lines._PAIR",
    "shared.domain.request.google_receivers._FUNCTION",
    "shared.domain.request.google_receivers._SERVICE",
    "shared.domain.tasks.bundle_documents._NAME",
}
"""Patterns that are tried at one place only, and never looked for."""
BOUNDED = {
    "shared.domain.checks.continuation._END_OF_PREAMBLE": 420,
    "shared.domain.answer.timestamps._UNITS": 40,
    "shared.domain.outputs.nesting._TAG": 2048,
}
"""Patterns that are tried on so many characters at the most."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_time_in_proportion_whatever_it_is_fed(name: str) -> None:
    assert_linear(READERS[name], LENGTH // 4 if name in SLOW else LENGTH)


@pytest.mark.timeout(600)
def test_every_pattern_takes_time_in_proportion_whatever_it_is_tried_on() -> None:
    for name, pattern in _patterns().items():

        def tried(text: str, pattern: re.Pattern[Any] = pattern, searched: bool = name not in AT_THE_START) -> None:
            given: Any = text if isinstance(pattern.pattern, str) else _as_bytes(text)
            pattern.match(given), pattern.fullmatch(given)
            if searched:
                pattern.search(given)

        try:
            assert_linear(tried, BOUNDED.get(name, LENGTH // 2))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
