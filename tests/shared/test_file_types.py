"""Every row of docs/file-types.md holds: what is sent as it is, converted, taken apart and refused."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from shared.converter import Converter
from shared.domain.errors import PermanentFailure
from shared.domain.media import KINDS, Facts, InMemory, MediaType, Refusal, check, identify
from shared.domain.media.conversions import transcoded
from shared.domain.media.kinds import CONVERTIBLE
from shared.examiner import Examiner
from shared.extractor import Extraction, Extractor
from shared.sandbox import Sandbox
from tests.shared.examiner_bench import Counted
from tests.shared.made_documents import (
    PICTURE,
    compound_file,
    docx,
    epub,
    opendocument,
    outlook,
    paragraph,
    pptx,
    shape,
    xlsx,
    zipped,
)
from tests.shared.made_media import film, recording, sequence
from tests.shared.made_rare_media import dsdiff, gsm_in_wav, monkeys_audio, musepack, speex, tak

pytestmark = pytest.mark.long

SAMPLES = Path(__file__).parents[1] / "samples"
PAGE = (Path(__file__).parents[2] / "docs" / "file-types.md").read_text()

Made = tuple[str, Callable[[], bytes]]
"""A name, and what makes the file."""


def sample(name: str) -> Made:
    path = SAMPLES / name if (SAMPLES / name).exists() else SAMPLES / "ugly" / name
    return name, path.read_bytes


def sound(container: str, codec: str, rate: int = 16_000) -> Made:
    return "file", lambda: recording(container, codec, rate=rate, seconds=1)


def pictures(
    container: str, codec: str, pixels: str = "yuv420p", *, size: tuple[int, int] = (160, 120), rate: int = 10
) -> Made:
    return "file", lambda: film(container, codec, pixels=pixels, size=size, rate=rate, seconds=1)


def drawn(form: str) -> Made:
    def made() -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (32, 24), "red").save(out, form)
        return out.getvalue()

    return "file", made


def given(name: str, data: bytes) -> Made:
    return name, lambda: data


def photoshop() -> bytes:
    """32 x 24 red pixels without layers."""
    header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 24, 32, 8, 3)
    planes = b"\xff" * (32 * 24) + bytes(2 * 32 * 24)
    return header + bytes(12) + b"\0\0" + planes


def direct_stream() -> bytes:
    """A tenth of a second of DSD silence in one channel."""
    block = b"\x69" * 4096
    layout = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, 2_822_400, 1, 8 * 4096 * 9, 4096, 0)
    data = b"data" + struct.pack("<Q", 12 + 9 * 4096) + block * 9
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(layout) + len(data), 0) + layout + data


SAVED_PAGE = (
    b"From: <Saved by Blink>\r\nSubject: Parcels\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/related; type="text/html"; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/html\r\nContent-Location: https://example.com/\r\n\r\n"
    b'<p>Parcels leave at nine.<img src="https://example.com/a.png"></p>\r\n'
    b"--b\r\nContent-Type: text/css\r\nContent-Location: https://example.com/a.css\r\n\r\np { color: red }\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Location: https://example.com/a.png\r\n\r\n" + base64.encodebytes(PICTURE) + b"\r\n--b--\r\n"
)

AS_IT_IS: dict[str, Made] = {
    "audio/wav": sample("speech.wav"), "audio/mp3": sample("speech.mp3"), "audio/mpeg": sample("speech.mp2"),
    "audio/aiff": sample("speech.aiff"), "audio/aac": sample("speech.aac"), "audio/ogg": sample("speech.ogg"),
    "audio/flac": sample("speech.flac"), "audio/mp4": sample("speech.m4a"), "image/png": sample("picture.png"),
    "image/jpeg": sample("photo.jpg"), "image/webp": sample("lossy.webp"), "image/heic": sample("phone.heic"),
    "video/mp4": sample("clip.mp4"), "video/mpeg": sample("clip.mpg"), "video/mov": sample("clip.mov"),
    "video/avi": sample("clip.avi"), "video/x-flv": sample("clip.flv"), "video/webm": sample("clip.webm"),
    "video/wmv": sample("clip.wmv"), "video/3gpp": sample("clip.3gp"), "application/pdf": sample("report.pdf"),
    "text/plain": sample("notes.txt"), "text/html": given("a.html", b"<!doctype html><p>Hello</p>"),
    "text/css": given("a.css", b"p { color: red }"), "text/javascript": given("a.js", b"let a = 1;\n"),
    "text/x-typescript": given("a.ts", b"let a: number = 1;\n"), "text/csv": given("a.csv", b"a;b\n1;2\n"),
    "text/markdown": given("a.md", b"# Hello\n"), "text/x-python": given("a.py", b"print(1)\n"),
    "application/json": given("a.json", b"{}\n"), "text/xml": given("a.xml", b'<?xml version="1.0"?><a/>'),
}  # fmt: skip
"""By the type that is sent. What is missing is known by its first bytes only: see `BY_SIGHT`."""
CONVERTED: dict[str, Made] = {
    "AMR": sound("amr", "libopencore_amrnb", 8_000), "Core Audio": sound("caf", "alac"),
    "Sun AU": sound("au", "pcm_s16be"),
    "Windows Media audio": sample("speech.wma"), "WebM without": sample("speech.webm"),
    "Matroska without": sound("matroska", "libopus"), "3GPP recording": sound("3gp", "libopencore_amrnb", 8_000),
    "Wave64": sound("w64", "pcm_s16le"), "WavPack": sound("wv", "wavpack"), "True Audio": sound("tta", "tta"),
    "DSD": given("a.dsf", direct_stream()), "AAC in LOAS": sound("latm", "aac"),
    "MPEG transport stream without": sound("mpegts", "aac", 48_000), "M4A with ALAC": sound("ipod", "alac"),
    "WAV with ADPCM": sound("wav", "adpcm_ms"), "AIFF with another": sound("aiff", "adpcm_ima_qt"),
    "Matroska video": pictures("matroska", "libx264"),
    "MPEG transport stream": pictures("mpegts", "mpeg2video"), "Ogg video": sample("clip.ogv"),
    "AVI with another": pictures("avi", "huffyuv", "yuv422p"), "TIFF": drawn("TIFF"), "BMP": drawn("BMP"),
    "GIF": drawn("GIF"), "AVIF": drawn("AVIF"), "JPEG 2000": drawn("JPEG2000"), "icon": drawn("ICO"),
    "Photoshop": given("a.psd", photoshop()), "HEIC sequence": ("a.heics", sequence),
    "Monkey's Audio": ("a", monkeys_audio), "Ogg with Speex": ("a", speex), "DSDIFF": ("a", dsdiff),
    "RealAudio": sound("rm", "real_144", 8_000), "RealMedia": pictures("rm", "rv10", size=(176, 144), rate=25),
    "Dolby Digital": sound("ac3", "ac3", 48_000), "Creative Voice": sound("voc", "pcm_u8", 8_000),
    "MXF": pictures("mxf", "mpeg2video", size=(320, 240), rate=25),
    "DTS": sample("speech.dts"), "Musepack": ("a", musepack), "TAK": ("a", tak),
    "DV": pictures("dv", "dvvideo", size=(720, 576), rate=25),
}  # fmt: skip
"""By how the row begins."""
TAKEN_APART: dict[str, Made] = {
    "Word": given("a", docx(paragraph("Hello"))), "PowerPoint": given("a", pptx(shape("Hello"))),
    "Excel": given("a", xlsx(A=[["Hello"]])),
    "OpenDocument text": given("a", opendocument("text", "<text:p>Hello</text:p>")),
    "OpenDocument spreadsheet": given("a", opendocument("spreadsheet", '<table:table table:name="Hello"/>')),
    "OpenDocument presentation": given("a", opendocument("presentation", '<draw:page draw:name="Hello"/>')),
    "EPUB": given("a", epub("<p>Hello</p>")), "rich text": given("a", b"{\\rtf1\\ansi Hello}"),
    "e-mail, and": given("a.eml", b"Subject: Hello\n\nDear Ms Tanaka\n"),
    "Outlook message": given("a", outlook("Hello")),
}  # fmt: skip
REFUSED: dict[str, Made] = {
    "old Word document": given("a", compound_file("WordDocument")), "old Excel": given("a", compound_file("Workbook")),
    "old PowerPoint": given("a", compound_file("PowerPoint Document")),
    "binary Excel": given("a", zipped({"[Content_Types].xml": "<a/>", "xl/workbook.bin": "a"})),
    "Office document": given("a", compound_file("EncryptedPackage")),
    "Pages": given("a", zipped({"Index/Document.iwa": "a"})), "PDF with": sample("user-r6.pdf"),
    "SVG": sample("drawing.svg"), "JPEG XL": given("a.jxl", b"\xff\x0a" + bytes(range(200, 240)) + bytes(9)),
    "MIDI": sample("ringtone.mid"), "PostScript": given("a", b"%!PS-Adobe-3.0\nshowpage\n"),
    "ZIP": sample("archive.zip"), "SQLite": sample("database.sqlite"), "Parquet": given("a", b"PAR1" + bytes(40)),
    "program": sample("program"), "font": given("a", b"wOF2\0\1\0\0" + bytes(40)), "unknown": sample("binary.txt"),
    "link": given("a.url", b"[InternetShortcut]\r\nURL=https://example.com/\r\n"),
    "link to a Google": given("a.gdoc", b'{"doc_id": "1x", "email": "zoe@example.com"}'),
    "OneNote": given("a.one", bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(60)),
    "Outlook data": given("a.pst", b"!BDN" + bytes(60)), "Kindle": given("a.mobi", bytes(60) + b"BOOKMOBI" + bytes(60)),
    "DjVu": given("a.djvu", b"AT&TFORM\0\0\0\x10DJVU" + bytes(60)),
    "Visio": given("a.vsdx", zipped({"[Content_Types].xml": "<a/>", "visio/document.xml": "a"})),
    "DICOM": given("a.dcm", bytes(128) + b"DICM\2\0" + bytes(60)),
    "raw camera": given("a.raf", b"FUJIFILMCCD-RAW" + bytes(60)),
    "Arrow": given("a.arrow", b"ARROW1\0\0" + bytes(60)), "shortcut": given("a.lnk", b"L\0\0\0\1\x14\2\0" + bytes(60)),
    "WordPerfect": given("a.wpd", b"\xffWPC" + bytes(60)),
    "attachment of": given("a.dat", b"\x78\x9f\x3e\x22" + bytes(60)),
    "old OpenOffice": given("a", zipped({"mimetype": "application/vnd.sun.xml.writer"}, stored="mimetype")),
    "old Lotus": given("a.wk1", b"\0\0\2\0\6\4\6\0" + bytes(60)),
    "signed": given("a.p7m", bytes.fromhex("3080 0609 2a864886f70d010702") + bytes(60)),
    "Windows drawing": given("a.emf", b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60)),
    "PCX": given("a.pcx", b"\x0a\5\1\x08" + bytes(60)),
    "film without": given("a.y4m", b"YUV4MPEG2 W4 H4\n" + bytes(60)),
    "disc": given("a.iso", bytes(1) + b"\1" * 32_767 + b"\1CD001\1" + bytes(60)),
    "Access": given("a.mdb", b"\0\1\0\0Standard Jet DB\0" + bytes(60)),
    "SPSS": given("a.sav", b"$FL2@(#) SPSS" + bytes(60)), "file of measurements": given("a.nc", b"CDF\1" + bytes(60)),
    "text without": given("a.txt", b"\xef\xbb\xbf \r\n"),
    "file of zero": sample("empty.mp3"), "file that was cut": sample("truncated.wmv"),
}  # fmt: skip
BY_SIGHT = {
    "image/heif": b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf",
    "audio/x-pn-realaudio": b".ra\xfd\0\4\0\0" + bytes(60),
    "video/ogg": b"OggS\0\2" + bytes(22) + b"\x01*\x80theora",
}


def rows(section: str) -> dict[str, list[str]]:
    """The rows of a section's table, by their first cells."""
    part = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:2] == "| "]
    return {first: [cell.strip("`") for cell in rest] for first, *rest in cells if first != "type"}


class Office:
    def __init__(self, runner: asyncio.Runner) -> None:
        self.run, self.sandbox = runner.run, Sandbox()

    def judged(self, made: Made) -> tuple[bytes, Facts | Refusal]:
        name, data = made[0], made[1]()
        kind = identify(InMemory(data), name) if data else Refusal(code="empty_file", message="")
        if isinstance(kind, Refusal):
            return data, kind
        facts = self.run(Examiner(self.sandbox).examine(Counted(data), kind))
        check(facts)
        return data, facts

    def sent(self, made: Made) -> list[str]:
        """The types that a file is sent as. Raises `PermanentFailure` where it is found to be unfit."""
        data, facts = self.judged(made)
        if isinstance(facts, Refusal):
            raise PermanentFailure(facts.code, facts.message)
        kind = facts.media_type
        if kind.preparation is None:
            return [kind.mime]
        if kind.preparation == "transcode":
            self.run(Converter(self.sandbox).convert(Counted(data), facts, seconds=60))
            return [transcoded(kind).mime]
        return [part.facts.media_type.mime for part in self.extracted(data, kind).parts]

    def extracted(self, data: bytes, kind: MediaType) -> Extraction:
        return self.run(Extractor(self.sandbox).extract(Counted(data), kind))


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    with asyncio.Runner() as runner:
        yield (office := Office(runner))
        office.run(office.sandbox.close())


def test_the_page_lists_every_type_that_is_sent_as_it_is() -> None:
    assert {mime for (mime,) in rows("Sent as they are").values()} == KINDS.keys()
    assert KINDS.keys() - AS_IT_IS.keys() <= BY_SIGHT.keys()


@pytest.mark.parametrize("mime", AS_IT_IS)
def test_what_is_sent_as_it_is(office: Office, mime: str) -> None:
    assert office.sent(AS_IT_IS[mime]) == [mime]


@pytest.mark.parametrize("mime", BY_SIGHT)
def test_what_cannot_be_made_here_is_known_by_its_first_bytes(mime: str) -> None:
    found = identify(InMemory(BY_SIGHT[mime]), "file")
    assert not isinstance(found, Refusal)
    assert found.mime == mime


@pytest.mark.parametrize("row", rows("Converted"))
def test_what_is_converted(office: Office, row: str) -> None:
    made = next(made for begins, made in CONVERTED.items() if row.startswith(begins))
    assert set(office.sent(made)) == {rows("Converted")[row][0]}


@pytest.mark.parametrize("row", rows("Taken apart"))
def test_what_is_taken_apart(office: Office, row: str) -> None:
    made = next(made for begins, made in TAKEN_APART.items() if row == begins or row.startswith(f"{begins} "))
    assert office.sent(made) == ["text/markdown"]


@pytest.mark.parametrize("ending", ["NEF", "dng", "cr2", "arw"])
def test_a_raw_photo_is_not_taken_for_its_thumbnail(office: Office, ending: str) -> None:
    with pytest.raises(PermanentFailure, match="is a raw camera image, which cannot be processed"):
        office.sent((f"photo.{ending}", drawn("TIFF")[1]))


@pytest.mark.parametrize("row", rows("Refused"))
def test_what_is_refused(office: Office, row: str) -> None:
    code, advice = rows("Refused")[row]
    made = max((begins, made) for begins, made in REFUSED.items() if row.startswith(begins))[1]
    with pytest.raises(PermanentFailure) as refused:
        office.sent(made)
    assert refused.value.code == code
    if not advice.startswith("nothing") and code != "empty_file":
        words = set(re.findall(r"[A-Z]{3,}|password|again|[Uu]npack", advice))
        assert all(word.lower() in refused.value.message.lower() for word in words), refused.value.message


@pytest.mark.parametrize(
    ("head", "label"),
    [
        (b"\x09\0\4\0\2\0\x10\0" + bytes(60), "an old Excel workbook (.xls)"),
        (b"\xd7\xcd\xc6\x9a" + bytes(60), "a Windows drawing (WMF or EMF)"),
        (b"\x32\xbe\0\0" + bytes(60), "an old Microsoft Write document"),
        (b"P6\n# made\n2 2\n255\n" + bytes(12), "a portable pixel map (PBM, PGM or PPM)"),
        (b"bplist00" + bytes(60), "a property list of macOS: a link, settings or a saved page"),
        (b"\0\0\1\0\0\0\6\x52" + bytes(60), "binary data of an unknown kind"),
        (bytes.fromhex("3080 0609 2a864886f70d010702") + bytes(60), "a signed or encrypted file (S/MIME, PKCS #7)"),
        (b"YUV4MPEG2 W4 H4\n" + bytes(60), "a film without compression (Y4M)"),
        (compound_file("\x05HwpSummaryInformation"), "a Hangul document (HWP)"),
        (zipped({"a.key/Metadata/BuildVersionHistory.plist": "a"}), "a Pages, Numbers or Keynote document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_is_called_by_its_true_name(office: Office, head: bytes, label: str) -> None:
    with pytest.raises(PermanentFailure, match=f"is {re.escape(label)}, which cannot be processed"):
        office.sent(("a", lambda: head))


ALSO: dict[str, tuple[Made, list[str]]] = {
    "an answering machine's WAV in GSM": (("voicemail.wav", gsm_in_wav), ["audio/ogg"]),
    "a voice message of WhatsApp": (("PTT-20240101-WA0001.opus", sample("speech.opus")[1]), ["audio/ogg"]),
    "Dolby Digital Plus": (sound("eac3", "eac3", 48_000), ["audio/ogg"]),
    "MPEG pictures without a container": (pictures("mpeg1video", "mpeg1video", rate=25), ["video/mpeg"]),
    "a transcript": (given("meeting.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"), ["text/plain"]),
    "subtitles": (given("film.srt", b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n"), ["text/plain"]),
    "an appointment": (given("a.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), ["text/plain"]),
    "a notebook": (given("a.ipynb", b'{"cells": [], "nbformat": 4}'), ["text/plain"]),
    "JSON lines": (given("a.jsonl", b'{"a": 1}\n{"a": 2}\n'), ["text/plain"]),
    "a table of Excel's in UTF-16": (given("a.csv", "\ufeffSize;1\r\n".encode("utf-16-le")), ["text/csv"]),
    "a table of old Windows": (given("a.csv", "Größe;1 €\r\n".encode("cp1252")), ["text/csv"]),
    "a web table that is called .xls": (given("a.xls", b"<html><table><tr><td>1</table>"), ["text/html"]),
    "a workbook with macros": (given("a.xlsm", xlsx(A=[["Hello"]])), ["text/markdown"]),
    "a saved web page": (given("a.mht", SAVED_PAGE), ["text/markdown", "image/png"]),
}
"""What people really drop, beside the rows."""


@pytest.mark.parametrize("what", ALSO)
def test_what_else_people_drop(office: Office, what: str) -> None:
    assert office.sent(ALSO[what][0]) == ALSO[what][1]


def test_a_saved_web_page_is_read_without_what_it_is_laid_out_with(office: Office) -> None:
    data, facts = office.judged(given("a.mht", SAVED_PAGE))
    assert isinstance(facts, Facts)
    extraction = office.extracted(data, facts.media_type)
    text = extraction.parts[0].data.decode()
    assert "Parcels leave at nine." in text
    assert "color: red" not in text
    assert extraction.notes == ()


@pytest.mark.parametrize("name", ["a.xlsx", "a.zip", "a.msg", "a.docx"])
def test_a_document_that_was_cut_off_is_refused_with_a_sentence(office: Office, name: str) -> None:
    whole = {
        "a.xlsx": xlsx(A=[["Hello"]]), "a.docx": docx(paragraph("Hello")), "a.msg": outlook("Hello"),
        "a.zip": zipped({"a.txt": "Hello"}),
    }  # fmt: skip
    with pytest.raises(PermanentFailure) as refused:
        office.sent(given(name, whole[name][: len(whole[name]) // 2]))
    assert refused.value.code in ("file_processing_failed", "unsupported_content_type")
    assert refused.value.message.endswith(".")


def test_every_type_that_is_converted_has_a_row() -> None:
    labels = {kind.mime: kind.preparation for kind in CONVERTIBLE.values()}
    assert len([1 for preparation in labels.values() if preparation == "extract"]) == len(rows("Taken apart"))
    by_codec = ("M4A with", "WAV with", "AIFF with", "Ogg with", "AVI with")
    whole = [row for row in rows("Converted") if not row.startswith(by_codec)]
    assert len(whole) == len([1 for preparation in labels.values() if preparation != "extract"])
