"""Pictures and sounds that the stand-in makes itself: masks, generated images, generated speech."""

from __future__ import annotations

import base64
import io
import math
import struct
from random import Random

from PIL import Image, ImageDraw

_SPEECH_RATE = 24_000
_SECONDS_A_CHARACTER = 0.06
_LONGEST_SPEECH = 60.0
_ASPECTS = {"1:1": (256, 256), "16:9": (448, 252), "9:16": (252, 448), "4:3": (320, 240), "3:4": (240, 320)}
SPEECH_MIME_TYPE = f"audio/L16;codec=pcm;rate={_SPEECH_RATE}"


def mask() -> str:
    """A probability map of an ellipse, as the image guide's segmentation gives it: a PNG in a data URL."""
    picture = Image.new("L", (64, 64))
    ImageDraw.Draw(picture).ellipse((4, 4, 59, 59), fill=255)
    return "data:image/png;base64," + base64.b64encode(_png(picture)).decode()


def draw_picture(words: str, aspect: str, random: Random) -> bytes:
    """A PNG in colours of chance with the first words of the prompt on it, marked as a stand-in's."""
    size = _ASPECTS.get(aspect, _ASPECTS["1:1"])
    picture = Image.new("RGB", size, tuple(random.randint(120, 240) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    pen.text((10, 10), "[Dropsight stand-in model]", fill="black")
    pen.text((10, 30), words[:40].encode("ascii", "replace").decode(), fill="black")
    return _png(picture)


def synthesize_speech(words: str) -> bytes:
    """A tone as long as the words would take, 16 bit, mono."""
    seconds = min(len(words) * _SECONDS_A_CHARACTER, _LONGEST_SPEECH)
    period = b"".join(struct.pack("<h", int(3000 * math.sin(2 * math.pi * step / 96))) for step in range(96))
    return period * max(1, int(seconds * _SPEECH_RATE / 96))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
