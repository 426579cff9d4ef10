"""Drawing happens in a child process, in bounded memory; whatever the picture is, there is an answer."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.domain.outputs import Source, render
from shared.domain.outputs.drawing import MAX_PIXELS
from shared.domain.outputs.sandboxed_drawing import FUNCTION, DrawingReply, arguments_of, read_reply
from shared.domain.recipe.definition import RecipeQuestion
from shared.sandbox import Sandbox
from tests.shared.domain.outputs.rendering import drawn_on

BOXES: Any = [{"label": "cup", "box_2d": [0, 0, 500, 500]}]
MEGAPIXELS_40 = (8000, 5000)
PEAK_BYTES = 450 << 20
"""Of a child that draws on 40 megapixels; it was 818 MiB."""


def png(mode: str, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and has hardly any data."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = part(b"IHDR", header) + part(b"IDAT", zlib.compress(bytes(1000))) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


async def drawn(sandbox: Sandbox, picture: bytes, *, size: tuple[int, int] | None = None) -> DrawingReply:
    arguments = arguments_of(BOXES, None, size=size, draw=True)
    reply = await sandbox.run(FUNCTION, arguments, payload=picture, seconds=90)
    return read_reply(reply.value, reply.payload)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
async def test_forty_megapixels_are_drawn_on_in_bounded_memory(mode: str) -> None:
    sandbox = Sandbox(processes=1, memory_bytes=640 << 20)
    try:
        made = await drawn(sandbox, png(mode, MEGAPIXELS_40))
        process = sandbox._idle[0]._process.pid
        status = await asyncio.to_thread(Path(f"/proc/{process}/status").read_text)
    finally:
        await sandbox.close()
    assert made.drawn is not None
    assert made.size == MEGAPIXELS_40
    with Image.open(io.BytesIO(made.drawn.png)) as shown:
        assert max(shown.size) == 4096
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) << 10 < PEAK_BYTES


@pytest.mark.parametrize(
    "picture",
    [
        bomb(8000, 5000),
        bomb(100_000, 100_000),
        bomb(2**31 - 1, 2**31 - 1),
        b"",
        b"no picture",
        png("RGB", (99, 99))[:60],
    ],
)
async def test_a_picture_that_cannot_be_drawn_on_still_has_its_boxes_published(picture: bytes) -> None:
    sandbox = Sandbox(processes=1, memory_bytes=640 << 20)
    try:
        made = await drawn(sandbox, picture, size=(64, 48))
    finally:
        await sandbox.close()
    width, height = made.size or (None, None)
    question = RecipeQuestion(name="", prompt="p", response_schema={"type": "array"}, outputs=("json", "png"))
    source = Source("a.png", width, height, drawn=made.drawn, undrawable=made.undrawable)
    rendered = render(question, "", BOXES, source)
    assert list(rendered.files) == ["json"]
    assert rendered.warnings[0].startswith("No .png was made: ")


async def test_a_picture_beyond_the_bound_is_not_decoded() -> None:
    sandbox = Sandbox(processes=1, memory_bytes=640 << 20)
    try:
        made = await drawn(sandbox, png("1", (MAX_PIXELS // 5000 + 1, 5000)))
    finally:
        await sandbox.close()
    assert made.undrawable is not None
    assert "too large to draw on" in made.undrawable


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_drawing_stands_as_its_boxes_do(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.new("RGB", (60, 30), "white").save(out, "JPEG", exif=exif)
    question = RecipeQuestion(name="", prompt="p", response_schema={"type": "array"}, outputs=("png",))
    source = drawn_on(question, BOXES, out.getvalue())
    with Image.open(io.BytesIO(render(question, "", BOXES, source).files["png"].data)) as shown:
        assert shown.size == ((30, 60) if orientation >= 5 else (60, 30))
