"""A file that harms the program that looks into it is refused; the others go on."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared import examiner
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import check, media_type
from shared.domain.media.random_access import RangeUnavailableError
from shared.domain.media.sniffing import UNKNOWN
from shared.domain.models.text_tokens import most_of_text
from shared.examiner import Examiner
from shared.sandbox import Sandbox
from tests.pdf_text import pdf_with_text
from tests.shared.examiner_bench import Counted

SAMPLES = Path(__file__).parents[1] / "samples"
SPEECH = (SAMPLES / "speech.wav").read_bytes()
WAV = media_type("audio/wav")
PDF = media_type("application/pdf")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


class OnlyTheHead(Counted):
    """A file whose server gives no ranges of it."""

    def __init__(self, data: bytes, head: int) -> None:
        super().__init__(data)
        self._seen = head

    async def read(self, offset: int, length: int) -> bytes:
        if offset + length > self._seen:
            raise RangeUnavailableError
        return await super().read(offset, length)


@pytest.mark.parametrize(
    ("parser", "says"),
    [("loop", "took too long"), ("segfault", "crashed"), ("allocate", "too much memory")],
)
async def test_a_file_that_harms_its_parser_is_refused_and_the_next_is_examined(
    sandbox: Sandbox, parser: str, says: str
) -> None:
    harmed = Examiner(sandbox, function=f"tests.shared.sandbox_functions:{parser}")
    bad, good = await asyncio.gather(
        harmed.examine(Counted(SPEECH), WAV, seconds=1.0), Examiner(sandbox).examine(Counted(SPEECH), WAV)
    )
    with pytest.raises(PermanentFailure) as refused:
        check(bad)
    assert refused.value.code == "file_processing_failed"
    assert says in refused.value.message
    assert "upload" in refused.value.message
    check(good)
    assert good.duration == pytest.approx(7.99, abs=0.01)


@pytest.mark.parametrize("parser", ["loop", "segfault"])
async def test_a_pdf_whose_text_is_not_taken_out_in_time_is_tried_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, parser: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(examiner, "_PAGE_TEXTS", f"tests.shared.sandbox_functions:{parser}")
        with pytest.raises(TransientFailure, match="the text could not be taken out of the PDF"):
            await Examiner(sandbox).page_texts(Counted(b"%PDF-1.7"), seconds=1.0)
    assert await Examiner(sandbox).page_texts(Counted(pdf_with_text([["Words"], []]))) == ["Words", ""]


async def test_a_pdf_whose_text_cannot_be_taken_out_is_called_damaged(sandbox: Sandbox) -> None:
    with pytest.raises(PermanentFailure, match=r"should be a PDF.*damaged") as raised:
        await Examiner(sandbox).page_texts(Counted(b"%PDF-1.7\nno pages"))
    assert raised.value.code == "file_processing_failed"


def bomb(entries: int) -> bytes:
    """A PDF of a few KiB whose cross-reference stream unpacks to millions of entries."""
    out = bytearray(
        b"%PDF-1.5\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n"
    )
    at = len(out)
    table = zlib.compress(b"\1\0\0\0\x0f\0\0" * entries, 9)
    out += b"3 0 obj\n<</Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Filter/FlateDecode/Length %d>>\nstream\n" % (
        entries,
        len(table),
    )
    out += table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % at
    return bytes(out)


@pytest.mark.long
@pytest.mark.parametrize("entries", [1_000_000, 4_000_000, 30_000_000])
async def test_a_table_that_unpacks_to_millions_of_entries_ends_in_time(sandbox: Sandbox, entries: int) -> None:
    examiner = Examiner(sandbox)
    began = asyncio.get_running_loop().time()
    facts = await examiner.examine(Counted(bomb(entries)), PDF)
    assert asyncio.get_running_loop().time() - began < 40
    assert facts.problem is not None
    assert (await examiner.examine(Counted((SAMPLES / "report.pdf").read_bytes()), PDF)).pages == 2


async def test_what_the_source_raises_passes_through(sandbox: Sandbox) -> None:
    class Broken:
        size = 10_000

        async def read(self, offset: int, length: int) -> bytes:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await Examiner(sandbox).examine(Broken(), WAV)


@pytest.mark.parametrize(
    ("name", "mime", "duration"),
    [("speech.wav", "audio/wav", 7.99), ("speech.flac", "audio/flac", 7.99), ("speech.mp3", "audio/mp3", None)],
)
async def test_a_recording_of_which_only_the_head_is_seen_tells_what_its_header_says(
    sandbox: Sandbox, name: str, mime: str, duration: float | None
) -> None:
    # The examiner reads in blocks of 256 KiB; the rest of this file is out of sight.
    data = (SAMPLES / name).read_bytes()
    source = OnlyTheHead(data + bytes((3 << 20) - len(data)), 256 << 10)
    facts = await Examiner(sandbox).examine(source, media_type(mime), whole_bytes=64 << 20)
    assert facts.problem is None
    assert facts.duration == (None if duration is None else pytest.approx(duration, abs=0.01))
    assert facts.has_audio


async def test_a_film_whose_index_is_out_of_sight_is_not_called_damaged(sandbox: Sandbox) -> None:
    data = (SAMPLES / "ugly" / "moov-last.mp4").read_bytes()
    first = int.from_bytes(data[:4], "big")
    far = data[:first] + (8 + (3 << 20)).to_bytes(4, "big") + b"free" + bytes(3 << 20) + data[first:]
    facts = await Examiner(sandbox).examine(OnlyTheHead(far, 256 << 10), media_type("video/mp4"))
    assert facts.problem is None
    assert facts.warnings == ("How long the file is could not be told.",)
    assert (await Examiner(sandbox).examine(Counted(far), media_type("video/mp4"))).duration == pytest.approx(1.2)


async def test_an_empty_file_is_empty(sandbox: Sandbox) -> None:
    with pytest.raises(PermanentFailure) as refused:
        check(await Examiner(sandbox).examine(Counted(b""), WAV))
    assert refused.value.code == "empty_file"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Имя;Сумма\nТанака;тысяча\nПосылка отправлена во вторник утром.\n" + "a line of plain words\n" * 9),
        ("gb18030", "姓名,金额\n田中,一千\n包裹星期二已经发出,请确认收到。\n" * 4 + "a line of plain words\n" * 9),
    ],
)
async def test_the_tokens_of_a_text_in_an_older_encoding_are_counted_by_its_characters(
    sandbox: Sandbox, encoding: str, text: str
) -> None:
    facts = await Examiner(sandbox).examine_bytes(text.encode(encoding), media_type("text/plain", UNKNOWN))
    assert facts.media_type.most_tokens == most_of_text(text)


async def test_of_a_large_text_in_an_older_encoding_the_rest_counts_a_token_a_byte(sandbox: Sandbox) -> None:
    line = "Посылка отправлена во вторник утром.\n"
    data = line.encode("cp1251") * 20_000
    facts = await Examiner(sandbox).examine_bytes(data, media_type("text/plain", UNKNOWN))
    assert facts.media_type.most_tokens is not None
    assert most_of_text(line) * 20_000 < facts.media_type.most_tokens < len(data)


async def test_bytes_that_are_blanks_in_the_likeliest_encoding_are_no_text(sandbox: Sandbox) -> None:
    facts = await Examiner(sandbox).examine_bytes(b"\xff" * 10_000, media_type("text/plain", UNKNOWN))
    assert facts.problem is not None
    assert "in an encoding that cannot be told" in facts.problem
