"""Makes the ugly texts."""

from __future__ import annotations

import struct
import zlib

from tests.samples.ugly_parts.listing import (
    EMPTY,
    TYPE,
    completes,
    converts,
    fails,
)

WORDS = "Grüße aus Zürich: der Käse kostet 12 Franken, die Brücke ist geöffnet.\n" * 3
JAPANESE = "これは日本語の文章です。会議は火曜日の午前九時に始まります。\n" * 3


def texts() -> None:
    completes("utf-8-mark.txt", b"\xef\xbb\xbf" + WORDS.encode(), "text/plain")
    completes("utf-16-mark.txt", WORDS.encode("utf-16"), "text/plain")
    completes("utf-16-short.txt", "Hi".encode("utf-16"), "text/plain")
    completes("utf-16-no-mark.txt", WORDS.encode("utf-16-le"), "text/plain")
    completes("utf-16-big-endian.txt", WORDS.encode("utf-16-be"), "text/plain")
    completes("utf-32.txt", WORDS.encode("utf-32"), "text/plain")
    completes("latin-1.txt", WORDS.encode("latin-1"), "text/plain")
    completes("japanese.txt", JAPANESE.encode(), "text/plain")
    russian = '<?xml version="1.0" encoding="windows-1251"?>\n<письмо>Посылка уходит во вторник.</письмо>\n'
    completes("windows-1251.xml", russian.encode("windows-1251"), "text/xml")
    completes("shift-jis.txt", JAPANESE.encode("shift-jis"), "text/plain")
    completes("with-nul.txt", WORDS.encode() * 3 + b"a\0b\n", "text/plain")
    completes("one-byte.txt", b"7", "text/plain")
    completes("table.csv", "Name;Größe\nÄpfel;12\n".encode(), "text/csv")
    completes("data.json", b'{"parcels": [1, 2, 3], "to": "Tanaka"}\n', "application/json")
    completes("page.html", b"<!DOCTYPE html>\n<html><body><p>Hello</p></body></html>\n", "text/html")
    completes("feed.xml", b'<?xml version="1.0"?>\n<feed><entry>One</entry></feed>\n', "text/xml")
    completes("readme.md", b"# Title\n\nSome *text*.\n", "text/markdown")
    converts("letter.rtf", b"{\\rtf1\\ansi Dear Ms Tanaka,\\par the parcel left.}", "text/rtf", "text/markdown")
    completes("script.py", b"#!/usr/bin/env python3\nprint('hello')\n", "text/x-python")
    completes("no-ending", b"Just some words without a name.\n", "text/plain")
    noise = b"".join(zlib.crc32(struct.pack("<I", number)).to_bytes(4, "big") for number in range(256))
    fails("binary.txt", noise, TYPE, "binary data")
    fails("noise.mp3", b"\x01" + noise, TYPE, "binary data")
    for name in ("empty.txt", "empty.mp3", "empty.pdf", "empty.png", "empty.json"):
        fails(name, b"", EMPTY, "empty")
