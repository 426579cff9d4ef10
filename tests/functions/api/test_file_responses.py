"""Which part of a file is served, as what type, and whether a browser may show it."""

from __future__ import annotations

import pytest

from functions.api.file_responses import PIECE_BYTES, ByteRange, headers_for, media_type_of, requested_range


@pytest.mark.parametrize(
    ("header", "size", "part"),
    [
        (None, 100, None),
        ("bytes=0-9", 100, ByteRange(0, 10)),
        ("bytes=0-0", 100, ByteRange(0, 1)),
        ("bytes=90-", 100, ByteRange(90, 100)),
        ("bytes=90-500", 100, ByteRange(90, 100)),
        ("bytes=-10", 100, ByteRange(90, 100)),
        ("bytes=-500", 100, ByteRange(0, 100)),
        ("bytes=0-", 10 * PIECE_BYTES, ByteRange(0, PIECE_BYTES)),
        (f"bytes=-{2 * PIECE_BYTES}", 10 * PIECE_BYTES, ByteRange(8 * PIECE_BYTES, 9 * PIECE_BYTES)),
        # What is no single range of bytes means the whole file (RFC 9110, section 14.2).
        ("bytes=0-1,4-5", 100, None),
        ("bytes=9-2", 100, None),
        ("bytes=-", 100, None),
        ("bytes=a-b", 100, None),
        ("pages=1-2", 100, None),
        ("bytes=" + "9" * 30 + "-", 100, None),
    ],
)
def test_a_range_names_one_part_and_an_answer_has_one_piece(
    header: str | None, size: int, part: ByteRange | None
) -> None:
    assert requested_range(header, size) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        requested_range(header, 100)


@pytest.mark.parametrize(
    ("declared", "name", "media_type"),
    [
        ("audio/mpeg", "a.txt", "audio/mpeg"),
        ("Text/HTML; charset=latin-1", "a.txt", "text/html"),
        (None, "a.mp3", "audio/mpeg"),
        ("application/octet-stream", "a.pdf", "application/pdf"),
        ("text/html\r\nX-Evil: 1", "a.bin.unknown", "application/octet-stream"),
        ("nonsense", "a", "application/octet-stream"),
    ],
)
def test_the_type_is_as_declared_else_by_the_name(declared: str | None, name: str, media_type: str) -> None:
    assert media_type_of(declared, name) == media_type


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "image/svg+xml", "application/xml", "text/xml", "application/xhtml+xml", "text/javascript",
     "text/csv", "application/x-shockwave-flash", "application/octet-stream", "application/msword"],
)  # fmt: skip
def test_what_a_browser_would_run_is_saved_and_sandboxed(media_type: str) -> None:
    headers = headers_for(media_type, "folder/a", download=False)
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "media_type", ["audio/wav", "video/mp4", "image/png", "application/pdf", "text/plain", "text/vtt"]
)
def test_what_runs_nothing_is_shown_in_place_and_saved_on_demand(media_type: str) -> None:
    assert headers_for(media_type, "a", download=False)["Content-Disposition"].startswith("inline;")
    assert headers_for(media_type, "a", download=True)["Content-Disposition"].startswith("attachment;")


def test_a_name_of_any_script_is_a_safe_header() -> None:
    disposition = headers_for("audio/wav", 'x/שלום 🎉"\r\n;.wav', download=True)["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    assert disposition.endswith("%F0%9F%8E%89%22%0D%0A%3B.wav")
