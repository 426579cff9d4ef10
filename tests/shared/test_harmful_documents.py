"""Documents that are locked, broken, too long or bombs are refused, and say why."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.errors import PermanentFailure
from shared.domain.media import InMemory, MediaType, Refusal, identify
from shared.extractor import Extractor
from tests.shared.examiner_bench import Counted
from tests.shared.extractor_desk import Desk, open_desk
from tests.shared.made_documents import (
    PICTURE,
    compound_file,
    docx,
    epub,
    opendocument,
    paragraph,
    zipped,
)

UGLY = Path(__file__).parents[1] / "samples" / "ugly"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def test_a_picture_of_too_many_pixels_is_refused(desk: Desk) -> None:
    header = b"BM" + (54).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    size = (100_000).to_bytes(4, "little") * 2
    bomb = header + size + b"\1\0\x18\0" + bytes(24)
    assert "megapixels" in desk.refuse(bomb, "a.bmp").message


def test_a_damaged_picture_is_refused(desk: Desk) -> None:
    data = (UGLY / "picture.tiff").read_bytes()
    assert "truncated or damaged" in desk.refuse(data[: len(data) // 3], "a.tiff").message


def test_a_zip_bomb_is_refused(desk: Desk) -> None:
    bomb = docx("", parts={"word/media/a.png": bytes(200 << 20)})
    assert len(bomb) < 1 << 20
    assert "unpacks to far more" in desk.refuse(bomb, "a.docx").message


def test_an_archive_that_lies_about_its_sizes_is_refused(desk: Desk) -> None:
    data = bytearray(docx(paragraph("a" * 5000)))
    at = data.rfind(b"PK\1\2", 0, data.rfind(b"word/document.xml"))
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert desk.refuse(bytes(data), "a.docx").code == "file_processing_failed"


LAUGHS = (
    '<!DOCTYPE w [<!ENTITY a "ha ha ha">' + "".join(
        f'<!ENTITY {chr(letter)} "{f"&{chr(letter - 1)};" * 20}">' for letter in range(ord("b"), ord("k"))
    ) + "]>"
)  # fmt: skip


def test_documents_that_declare_entities_are_refused(desk: Desk) -> None:
    parts: dict[str, bytes | str] = {"word/extra.xml": f"{LAUGHS}<w>&j;</w>"}
    assert "XML entities" in desk.refuse(docx(paragraph("a"), parts=parts), "a.docx").message
    wide = f"{LAUGHS}<w>&j;</w>".encode("utf-16")
    assert "XML entities" in desk.refuse(docx(paragraph("a"), parts={"word/extra.xml": wide}), "a.docx").message
    sheet = zipped({"content.xml": f"{LAUGHS}<w>&j;</w>", "META-INF/manifest.xml": "<m/>"})
    assert "XML entities" in desk.refuse(sheet, "a.odt").message


@pytest.mark.parametrize("make", [lambda: docx(""), lambda: opendocument("text", ""), lambda: epub()])
def test_a_document_that_holds_nothing_is_refused(desk: Desk, make: object) -> None:
    assert callable(make)
    assert "holds no text and no pictures" in desk.refuse(make(), "a").message


def test_more_text_than_any_model_takes_is_refused_and_not_cut(desk: Desk) -> None:
    refused = desk.refuse(docx("".join(paragraph("word " * 2000) for _ in range(1000))), "a.docx")
    assert refused.code == "context_length_exceeded"


def test_a_document_cut_off_is_refused(desk: Desk) -> None:
    data = docx(paragraph("Hello"), parts={"word/media/a.png": PICTURE})
    kind = identify(InMemory(data), "a.docx")
    assert isinstance(kind, MediaType)
    with pytest.raises(PermanentFailure, match="truncated or damaged"):
        desk.runner.run(Extractor(desk.sandbox).extract(Counted(data[:-100]), kind))


def test_a_locked_archive_is_refused(desk: Desk) -> None:
    data = bytearray(docx(paragraph("Hello")))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + at] |= 1
            start = data.find(mark, start + 4)
    assert "password" in desk.refuse(bytes(data), "a.docx").message


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("WordDocument", "old Word document (.doc)"),
        ("Workbook", "old Excel workbook (.xls)"),
        ("PowerPoint Document", "old PowerPoint presentation (.ppt)"),
        ("EncryptedPackage", "with a password"),
    ],
)
def test_old_and_locked_office_files_are_refused_with_the_way_out(entry: str, says: str) -> None:
    refusal = identify(InMemory(compound_file(entry)), "a.doc")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unsupported_content_type"
    assert says in refusal.message
    assert "Save it" in refusal.message


def test_a_plain_archive_is_no_document() -> None:
    data = zipped({"word/readme.txt": "a folder that is called word"})
    refusal = identify(InMemory(data), "a.zip")
    assert isinstance(refusal, Refusal)
    assert "a ZIP archive" in refusal.message
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["word/readme.txt"]
