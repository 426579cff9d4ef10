"""Streams of a known size move about as files do."""

from __future__ import annotations

import io
import itertools
import os

import pytest

from shared.converter_child.output import Output
from shared.examiner_child.files import ExaminedFile, Part
from shared.sized_stream import SizedStream

DATA = b"0123456789"


def examined() -> ExaminedFile:
    return ExaminedFile(lambda offset, length: DATA[offset : offset + length], len(DATA))


STREAMS = [SizedStream(len(DATA)), examined(), Part(examined(), 2, prefix=b"ab")]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: type(stream).__name__)
def test_a_stream_seeks_from_its_start_its_position_and_its_end(stream: SizedStream) -> None:
    assert (stream.seek(4), stream.tell()) == (4, 4)
    assert stream.seek(3, os.SEEK_CUR) == 7
    assert stream.seek(-1, os.SEEK_END) == 9
    assert stream.seek(5, os.SEEK_END) == 15
    assert stream.seekable()


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: type(stream).__name__)
def test_a_stream_seeks_as_bytes_in_memory_do(stream: SizedStream) -> None:
    memory = io.BytesIO(bytes(stream.size))
    for offset, whence in itertools.product((-99, -3, 0, 4, 99), (os.SEEK_CUR, os.SEEK_END)):
        assert stream.seek(2) == memory.seek(2)
        assert stream.seek(offset, whence) == memory.seek(offset, whence)
    with pytest.raises(ValueError, match="negative seek"):
        memory.seek(-1)
    with pytest.raises(ValueError, match="negative seek"):
        stream.seek(-1)


def test_a_part_of_a_file_is_read_behind_its_prefix() -> None:
    part = Part(examined(), 4, prefix=b"ab")
    assert (part.read(), part.size) == (b"ab456789", 8)
    part.seek(1)
    assert part.read(3) == b"b45"


def test_an_output_grows_as_it_is_written_and_notes_what_is_written_into_its_beginning() -> None:
    pieces: list[bytes] = []
    output = Output(pieces.append)
    output.write(b"....data")
    output.seek(0)
    output.write(b"8   ")
    output.seek(0, io.SEEK_END)
    output.write(b"!")
    output.finish()
    assert (output.size, b"".join(pieces), output.patches) == (9, b"....data!", [(0, b"8   ")])
