"""What reads as text is text, whatever letters it begins with, however it is indented and whatever ends it.

The texts of a folder of cases that DROPSIGHT_CASES names are tried too: all that are called text-*, *.md and *.py, and
what is indented.
"""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import pytest

from shared.domain.media import HEAD, WHOLE, InMemory, MediaType, Refusal, identify, in_utf_8, sniff
from shared.domain.media.utf8_conversion import encoding_warning

TEXTS = Path(__file__).parents[3] / "samples" / "texts"
UGLY = TEXTS.parent / "ugly"
CASES = Path(os.environ.get("DROPSIGHT_CASES") or Path(__file__).parents[5] / "shared" / "cases")
SAMPLES = sorted(path for path in TEXTS.iterdir() if path.name != "make.py")
FOREIGN = sorted(path for glob in ("text-*", "*.md", "*.py", "indented-*") for path in CASES.glob(glob))
NOISE = random.Random(5).randbytes
ENCODINGS = {
    "text-latin-ctrlz.txt": "windows-1252",
    "text-shift-in.txt": "iso2022_jp",
    "text-utf8-late-latin.txt": "windows-1252",
    "text-utf8-then-latin.txt": "windows-1252",
}
MIMES = {".md": "text/markdown", ".py": "text/x-python", ".csv": "text/csv", ".html": "text/html", ".txt": "text/plain"}


def found(data: bytes, name: str) -> MediaType:
    kind = identify(InMemory(data), name)
    assert isinstance(kind, MediaType), kind
    return kind


@pytest.mark.parametrize("file", [*SAMPLES, *FOREIGN], ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_text_is_known_as_text_and_as_what_its_name_says(file: Path) -> None:
    data = file.read_bytes()
    kind = found(data, file.name)
    assert kind.mime == MIMES[file.suffix]
    assert kind.encoding == ENCODINGS.get(file.name, "utf-8")
    assert (encoding_warning(kind.encoding, len(data)) is not None) == (file.name in ENCODINGS)
    converted = in_utf_8(data, kind.encoding or "").decode()
    assert "\ufffd" not in converted
    assert not converted.endswith(("\x1a", "\0"))


def test_what_is_no_utf_8_is_read_as_western_european_and_the_rest_stays() -> None:
    data = (TEXTS / "text-utf8-then-latin.txt").read_bytes()
    assert (
        in_utf_8(data, found(data, "a.txt").encoding or "").decode() == "Größe und Maß in UTF-8, " * 30 + "und Größe.\n"
    )


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_every_encoding_of_unicode_is_converted_without_its_mark(codec: str) -> None:
    text = "Größe und Maß\r\nin Köln\r\n"
    data = text.encode(codec)
    assert in_utf_8(data, found(data, "a.txt").encoding or "").decode() == text


WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
SCRIPTS = {
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю.\r\n",
    "Greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.\n",
    "Japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "Chinese": "今天天气很好。我们去公园散步。\n",
    "Arabic": "مرحبا بكم في مدينتنا الجميلة\n",
    "Korean": "모든 국민은 법 앞에 평등하다.\n",
    "English": "All human beings are born free and equal.\n",
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("codec", WIDE)
def test_a_text_of_any_script_in_a_wide_encoding_needs_no_mark(codec: str, script: str) -> None:
    text = SCRIPTS[script] * 9
    data = text.encode(codec)
    assert in_utf_8(data, found(data, "a.txt").encoding or "").decode() == text


@pytest.mark.parametrize("seed", range(50))
def test_noise_is_no_text_in_a_wide_encoding(seed: int) -> None:
    assert isinstance(identify(InMemory(random.Random(seed).randbytes(70 + seed)), "a.bin"), Refusal)


def test_samples_and_numbers_of_two_bytes_are_no_text() -> None:
    for values in (range(0, 32_000, 7), [round(9000 * math.sin(at / 9)) for at in range(2000)]):
        data = b"".join(value.to_bytes(2, "little", signed=True) for value in values)
        assert isinstance(identify(InMemory(data), "a.bin"), Refusal)


@pytest.mark.parametrize("seed", range(20))
def test_words_and_records_of_single_bytes_between_zeros_are_no_text_of_two_bytes(seed: int) -> None:
    choose = random.Random(seed)
    words = "\0".join(choose.choice(["the", "of", "a", "in", "été", "is", "Köln", "to"]) for _ in range(300))
    records = "".join("".join(choose.choices("abcdefgh ijklmnop", k=15)) + "\0" for _ in range(60))
    for text in (words, records):
        assert isinstance(identify(InMemory(text.encode()), "words.bin"), Refusal)


@pytest.mark.parametrize("codec", ["utf-8", "windows-1252"])
def test_a_stray_zero_near_the_beginning_leaves_a_text_a_text(codec: str) -> None:
    data = ("BM: Größe\0 und Maß\n" + "in Köln und anderswo\n" * 200).encode(codec)
    assert found(data, "a.txt").encoding == codec


@pytest.mark.parametrize("length", [20, 100, 5000, 200_000])
def test_a_text_about_a_pixel_map_is_a_text(length: int) -> None:
    data = b"P5\n10 12\n255\n" + (b"is how a small grey picture begins. " * 6000)[:length]
    assert found(data, "a.txt").mime == "text/plain"


@pytest.mark.parametrize("blanks", ["\u200b\u200b\xa0\n", "\u3000\u2028", "\xad\u2060"])
def test_a_text_of_nothing_visible_is_empty(blanks: str) -> None:
    refusal = identify(InMemory(blanks.encode()), "a.txt")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "empty_file"


WHITE = b"\xff" * 60_000
GREY = b"@" * 60_000


@pytest.mark.parametrize("pixels", [WHITE, GREY], ids=["white", "grey"])
def test_a_picture_of_one_colour_is_no_text(pixels: bytes) -> None:
    sizes = (60_054, 0, 54, 40, 200, 100)
    header = b"BM" + b"".join(value.to_bytes(4, "little") for value in sizes) + b"\1\0\x18\0" + bytes(24)
    assert found(header + pixels, "scan.bmp").mime == "image/bmp"
    pixel_map = identify(InMemory(b"P6\n200 100\n255\n" + pixels), "scan.ppm")
    assert isinstance(pixel_map, Refusal)
    assert "portable pixel map" in pixel_map.message
    for lost in (-1, 0, 1):
        blank = identify(InMemory(b"P5\n60 40\n255\n" + b"\xff" * (60 * 40 + lost)), "scan.pgm")
        assert isinstance(blank, Refusal)
        assert "portable pixel map" in blank.message
    large = identify(InMemory(b"P5\n600 400\n255\n" + WHITE * 4), "scan.pgm")
    assert isinstance(large, Refusal)
    assert "portable pixel map" in large.message


def test_a_white_picture_with_zeros_in_its_header_is_no_text() -> None:
    refusal = identify(InMemory(b"\0\0\x02" + bytes(9) + b"\xc8\0d\0\x18\0" + WHITE), "scan.tga")
    assert isinstance(refusal, Refusal)
    assert "binary data" in refusal.message


def test_a_byte_behind_the_head_is_found_where_a_block_ends_in_a_character() -> None:
    text = "é" * 2_000_000
    assert found(text.encode(), "a.txt").encoding == "utf-8"
    assert found(f"a{text}".encode(), "a.txt").encoding == "utf-8"
    assert found(text.encode() + b"\xe9 ", "a.txt").encoding == "windows-1252"


def test_a_script_with_binary_data_behind_it_is_no_text() -> None:
    data = b"#!/bin/sh\n" + b"echo unpacking\n" * 5000 + NOISE(200_000)
    assert isinstance(identify(InMemory(data), "install.sh"), Refusal)


def test_a_text_that_is_too_long_to_be_converted_is_looked_at_up_to_a_bound_and_told() -> None:
    class Counted(InMemory):
        bytes_read = 0

        def read(self, offset: int, length: int) -> bytes:
            Counted.bytes_read += length
            return super().read(offset, length)

    data = "Maß und Zeit\n".encode("latin-1") * (WHOLE // 8)
    kind = identify(Counted(data), "a.txt")
    assert isinstance(kind, MediaType)
    assert Counted.bytes_read <= WHOLE + (1 << 20) + HEAD
    assert "may be read wrongly" in (encoding_warning(kind.encoding, len(data)) or "")


BINARY = {
    "bzip2": (b"BZh91AY&SY" + NOISE(300), "bzip2"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "PostScript"),
    "plain PostScript": (b"%!PS\n/Times findfont 12 scalefont setfont showpage\n", "PostScript"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><path/></svg>', "SVG"),
    "SVG behind a prolog": (b'<?xml version="1.0"?>\n' + b"<!-- note -->\n" * 40 + b"<svg><g/></svg>", "SVG"),
    "tar": (b"letter.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(248) + b"Dear Sir,\n" * 6000, "tar"),
}


CONVERTED = {
    "GIF": (b"GIF89a\x10\0\x10\0\xf7\0\0" + bytes(range(256)) * 3, "image/gif"),
    "Core Audio": (b"caff\0\1\0\0desc" + bytes(20) + NOISE(200), "audio/x-caf"),
    "Monkey's Audio": (b"MAC \x96\x0f\0\0\x34\0\0\0" + NOISE(300), "audio/x-ape"),
}


@pytest.mark.parametrize("what", CONVERTED)
def test_what_is_converted_is_known_by_its_formats_second_proof(what: str) -> None:
    data, mime = CONVERTED[what]
    assert found(data, "a.txt").mime == mime


@pytest.mark.parametrize("what", BINARY)
def test_what_has_its_formats_second_proof_is_still_refused_by_its_name(what: str) -> None:
    data, label = BINARY[what]
    refusal = sniff(data, "a.txt")
    assert isinstance(refusal, Refusal)
    assert label in refusal.message


def test_media_whose_bytes_look_like_text_are_known_by_their_structure() -> None:
    samples = b"abcdefgh" * 8000
    fmt = b"fmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
    wav = b"RIFF" + (len(samples) + 36).to_bytes(4, "little") + b"WAVE" + fmt + b"data" + bytes(4) + samples
    assert found(wav, "a.txt").mime == "audio/wav"
    tag = b"ID3\x03\0\0" + bytes([0, 4, 0, 0]) + b"USLT" + b"la la la " * 7281 + b"\xff\xfb\x90\x00" + bytes(413)
    assert found(tag + tag[-417:], "a.txt").mime == "audio/mp3"
    pdf = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer << /Root 1 0 R >>\n"
    assert found(pdf, "a.txt").mime == "application/pdf"


@pytest.mark.parametrize(
    ("behind", "mime"),
    [
        ((TEXTS.parent / "speech.flac").read_bytes(), "audio/flac"),
        ((TEXTS.parent / "speech.wav").read_bytes(), "audio/wav"),
        ((TEXTS.parent / "speech.ogg").read_bytes(), "audio/ogg"),
        ((UGLY / "speech.aiff").read_bytes(), "audio/aiff"),
        ((UGLY / "speech.aac").read_bytes(), "audio/aac"),
        ((TEXTS.parent / "speech.mp3").read_bytes(), "audio/mp3"),
    ],
)
@pytest.mark.parametrize("cover", [100, HEAD - 10, HEAD, 3 << 20])
def test_behind_a_tag_of_any_length_a_recording_is_what_it_is(behind: bytes, mime: str, cover: int) -> None:
    def tagged(data: bytes, size: int) -> bytes:
        sized = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
        return b"ID3\x04\0\0" + sized + b"APIC" + NOISE(size - 4) + data

    assert found(tagged(behind, cover), "a.mp3").mime == mime
    assert found(tagged(tagged(behind, cover), cover), "a.mp3").mime == mime
