"""Parts of long files: cut in a child process, whole and in their places, and harmless where the file is not."""

from __future__ import annotations

import asyncio
import io
import math
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pypdfium2
import pytest
import pytest_asyncio

from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts, InMemory, MediaType, sniff
from shared.domain.splitting.plan import Span, spans_between
from shared.examiner import Threaded
from shared.sandbox import Sandbox
from shared.splitter import Splitter
from tests.shared.long_files import numbered_pdf, numbered_recording, tones_of

pytestmark = pytest.mark.long

SAMPLES = Path(__file__).parents[1] / "samples"
FORMATS = [
    ("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("ogg", "flac"),
    ("adts", "aac"), ("mp4", "aac"), ("webm", "libopus"), ("aiff", "pcm_s16be"),
]  # fmt: skip


@pytest_asyncio.fixture
async def splitter() -> AsyncIterator[Splitter]:
    sandbox = Sandbox()
    yield Splitter(sandbox)
    await sandbox.close()


def source_of(data: bytes) -> Threaded:
    async def here(call: object) -> bytes:
        return call()  # type: ignore[operator, no-any-return]

    return Threaded(InMemory(data), here)


def facts_of(data: bytes, **known: object) -> Facts:
    kind = sniff(data[:65536], "")
    assert isinstance(kind, MediaType), kind
    return Facts(media_type=kind, size=len(data), has_audio=kind.family != "pdf").model_copy(update=known)


async def cut(splitter: Splitter, source: Threaded, facts: Facts, span: Span) -> bytes:
    with await splitter.cut(source, facts, span, threading.Event()) as part:
        return bytes(await asyncio.to_thread(part.read))


def words_of(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_bounded().strip() for page in document]


async def test_a_long_pdf_is_cut_into_ranges_that_together_are_all_of_its_pages(splitter: Splitter) -> None:
    data = numbered_pdf(1500)
    source, facts = source_of(data), facts_of(data, pages=1500)
    plan = await splitter.plan_pages(source, facts, most_pages=1000, most_parts=20)
    assert [span.label for span in plan] == ["pages 1 to 750", "pages 751 to 1500"]
    words = [word for span in plan for word in words_of(await cut(splitter, source, facts, span))]
    assert words == [f"Page {number} of 1500" for number in range(1, 1501)]


async def test_pages_with_many_bytes_go_into_more_parts(splitter: Splitter, monkeypatch: pytest.MonkeyPatch) -> None:
    data = numbered_pdf(40, page_bytes=100_000)
    source, facts = source_of(data), facts_of(data, pages=40)
    monkeypatch.setattr("shared.splitter.GEMINI", FewBytes())
    plan = await splitter.plan_pages(source, facts, most_pages=1000, most_parts=20)
    assert len(plan) == 4
    parts = [await cut(splitter, source, facts, span) for span in plan]
    assert all(len(part) <= 1_500_000 for part in parts)
    assert [word for part in parts for word in words_of(part)] == [f"Page {number} of 40" for number in range(1, 41)]


async def test_a_part_that_is_too_large_to_be_held_is_cut_while_it_is_uploaded(
    splitter: Splitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = numbered_pdf(40, page_bytes=100_000)
    monkeypatch.setattr("shared.splitter._KEPT_BYTES", 1 << 20)
    span = Span(start=11, end=30, unit="pages")
    with await splitter.cut(source_of(data), facts_of(data, pages=40), span, threading.Event()) as part:
        size = part.seek(0, io.SEEK_END)
        part.seek(0)
        pieces = [await asyncio.to_thread(part.read, 300_000) for _ in range(math.ceil(size / 300_000))]
    assert len(b"".join(pieces)) == size
    assert words_of(b"".join(pieces)) == [f"Page {number} of 40" for number in range(11, 31)]


class FewBytes:
    pdf_bytes = 1_500_000


async def test_a_page_that_is_too_large_alone_is_named(splitter: Splitter, monkeypatch: pytest.MonkeyPatch) -> None:
    data = numbered_pdf(3, page_bytes=2_000_000)
    monkeypatch.setattr("shared.splitter.GEMINI", FewBytes())
    with pytest.raises(PermanentFailure, match="Page 1 alone has more than 1,500,000 bytes"):
        await splitter.plan_pages(source_of(data), facts_of(data, pages=3), most_pages=1000, most_parts=20)


@pytest.mark.parametrize(("container", "codec"), FORMATS)
async def test_a_part_of_a_recording_holds_exactly_its_seconds(splitter: Splitter, container: str, codec: str) -> None:
    data = numbered_recording(40, container, codec)
    part = await cut(splitter, source_of(data), facts_of(data), Span(start=12.0, end=31.0, unit="seconds"))
    assert tones_of(part)[:19] == list(range(12, 31))


async def test_joined_recordings_are_cut_where_they_are_heard(splitter: Splitter) -> None:
    data = numbered_recording(10, "ogg", "libopus") + numbered_recording(10, "ogg", "libopus")
    part = await cut(splitter, source_of(data), facts_of(data), Span(start=6.0, end=14.0, unit="seconds"))
    assert tones_of(part) == [6, 7, 8, 9, 0, 1, 2, 3]


@pytest.mark.parametrize(("container", "codec"), FORMATS)
async def test_cuts_are_moved_into_silences(splitter: Splitter, container: str, codec: str) -> None:
    silent = ((17.2, 18.2), (38.4, 39.4))
    data = numbered_recording(60, container, codec, silent=silent)
    cuts = await splitter.find_silences(source_of(data), facts_of(data), [20.0, 40.0], 6.0)
    assert all(start < cut < end for cut, (start, end) in zip(cuts, silent, strict=True)), cuts
    plan = spans_between(0, 60, cuts)
    assert [round(span.end - span.start) for span in plan] == [23, 31, 26]


async def test_a_broken_file_is_refused_with_a_way_out_and_the_next_one_is_cut(splitter: Splitter) -> None:
    broken = (SAMPLES / "ugly" / "zeros.mp3").read_bytes()
    kind = facts_of((SAMPLES / "speech.mp3").read_bytes())
    with pytest.raises(PermanentFailure, match="by hand") as refusal:
        await cut(splitter, source_of(broken), kind, Span(start=0, end=5, unit="seconds"))
    assert refusal.value.code == "file_processing_failed"
    data = numbered_pdf(3)
    part = await cut(splitter, source_of(data), facts_of(data, pages=3), Span(start=2, end=2, unit="pages"))
    assert words_of(part) == ["Page 2 of 3"]


async def test_a_pdf_that_opens_without_a_password_is_cut(splitter: Splitter) -> None:
    data = (SAMPLES / "ugly" / "print-forbidden-aes-256.pdf").read_bytes()
    part = await cut(splitter, source_of(data), facts_of(data, pages=1), Span(start=1, end=1, unit="pages"))
    assert len(words_of(part)) == 1
