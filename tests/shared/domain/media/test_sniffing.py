"""Content decides; the name tells kinds of text apart; the declared type comes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.media import KINDS, MediaType, Refusal, kind_of_mime, kind_of_name, media_type, sniff

SAMPLES = Path(__file__).parents[3] / "samples"


def known(head: bytes, name: str, declared: str | None = None) -> MediaType:
    sniffed = sniff(head, name, declared)
    assert isinstance(sniffed, MediaType), sniffed
    return sniffed


def refused(head: bytes, name: str, declared: str | None = None) -> Refusal:
    sniffed = sniff(head, name, declared)
    assert isinstance(sniffed, Refusal), sniffed
    return sniffed


@pytest.mark.parametrize(
    ("name", "declared", "mime"),
    [
        ("a.csv", None, "text/csv"),
        ("a.csv", "application/json", "text/csv"),
        ("a", "application/json; charset=utf-8", "application/json"),
        ("a.unknown", "text/x-markdown", "text/markdown"),
        ("a.MD", "application/octet-stream", "text/markdown"),
        ("a.txt", "audio/mpeg", "text/plain"),
        ("a", None, "text/plain"),
        ("a.rtf", "text/rtf", "text/plain"),
    ],
)
def test_plain_text_is_of_the_kind_that_its_name_or_else_its_declared_type_says(
    name: str, declared: str | None, mime: str
) -> None:
    assert known(b"one, two\n", name, declared).mime == mime


def test_a_false_declared_type_is_overruled_and_noted() -> None:
    head = (SAMPLES / "picture.png").read_bytes()
    sniffed = known(head, "upload", "audio/mp3")
    assert sniffed.mime == "image/png"
    assert (
        sniffed.mismatch
        == "The file was uploaded as an MP3 recording, but is a PNG image; it was taken for what it is."
    )
    assert known(head, "picture.png", "image/x-png").mismatch is None


def test_a_recording_in_a_container_for_films_is_no_mismatch() -> None:
    head = (SAMPLES / "speech.m4a").read_bytes()[:4096]
    assert known(head, "speech.mp4", "video/mp4").mismatch is None


def test_an_empty_file_is_refused_by_its_name() -> None:
    refusal = refused(b"", "inbox/2026/talk.wav", "audio/wav")
    assert refusal.code == "empty_file"
    assert "“talk.wav” is empty" in refusal.message


def test_what_is_not_taken_is_refused_by_its_true_name_with_a_way_out() -> None:
    refusal = refused((SAMPLES / "ugly" / "zip-called.pdf").read_bytes(), "inbox/contract.pdf", "application/pdf")
    assert refusal.code == "unsupported_content_type"
    assert refusal.message == (
        "“contract.pdf” is a ZIP archive, which cannot be processed. Unpack it and drop the files that are inside."
    )


def test_a_long_name_does_not_flood_the_message() -> None:
    assert len(refused(b"BZh91AY&SY" + bytes(20), "x" * 1000 + ".gif").message) < 250


@pytest.mark.parametrize("name", ["speech.wav", "speech.flac", "speech.ogg", "speech.m4a", "picture.png", "photo.jpg"])
def test_a_few_bytes_are_enough_where_the_format_has_a_mark(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    assert known(data[:32], name).mime == known(data[:65_536], name).mime


def test_text_cut_in_the_middle_of_a_character_is_still_utf_8() -> None:
    text = "日本語" * 100
    assert known(text.encode()[:-1], "a.txt").encoding == "utf-8"


@pytest.mark.parametrize("mime", sorted(KINDS))
def test_every_type_of_the_table_is_its_own_canonical_spelling(mime: str) -> None:
    kind = kind_of_mime(mime)
    assert kind is not None
    assert kind.mime == mime
    assert media_type(mime).family == kind.family


def test_other_spellings_of_a_type_mean_the_same() -> None:
    assert kind_of_mime("audio/x-m4a") == KINDS["audio/mp4"]
    assert kind_of_mime("Video/QuickTime") == KINDS["video/mov"]
    assert kind_of_mime("image/x-tif") is None
    assert kind_of_mime(None) is None
    assert kind_of_name("talks/monday.MP3") == KINDS["audio/mp3"]
    assert kind_of_name("talks.mp3/monday") is None
    assert kind_of_name(".txt") is None
