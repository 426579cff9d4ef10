"""Draws picture.png, photo.jpg, report.pdf and notes.txt next to this file. Called by make.sh; needs Pillow."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from tests.pdf_text import pdf_of_objects

HERE = Path(__file__).parent

NOTES = """Notes of the Tuesday meeting 📝

- Ship the parcel to Ms Tanaka (田中) before 9:00 🚚
- The café on Rue de l’Église needs 12 crêpe pans – ask Zoë
- Budget: 1 250 € ✅

Next meeting: Thursday 🗓️
"""

PAGES = (
    (
        "Quarterly report",
        ["Revenue grew by 12 percent to 4.2 million euros.", "Costs stayed flat at 3.1 million euros."],
    ),
    ("Outlook", ["We expect 15 percent growth next year.", "Two new warehouses open in May."]),
)


def draw_picture() -> Image.Image:
    """A bar chart of four quarters: something that a model can describe."""
    image = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(image)
    draw.text((40, 20), "Parcels shipped per quarter", fill="black", font_size=28)
    for number, (height, colour) in enumerate(((120, "#4285f4"), (180, "#ea4335"), (240, "#fbbc04"), (310, "#34a853"))):
        left = 70 + number * 140
        draw.rectangle((left, 430 - height, left + 90, 430), fill=colour)
        draw.text((left + 25, 440), f"Q{number + 1}", fill="black", font_size=24)
        draw.text((left + 20, 400 - height), str(height * 10), fill="black", font_size=20)
    draw.line((50, 430, 610, 430), fill="black", width=3)
    return image


def draw_photo() -> Image.Image:
    """A soft landscape with grain, so that JPEG has something to do."""
    noise = random.Random(7)
    image = Image.new("RGB", (800, 600))
    draw = ImageDraw.Draw(image)
    for y in range(600):
        draw.line((0, y, 800, y), fill=(90 + y // 6, 140 + y // 8, 235 - y // 5))
    draw.ellipse((560, 70, 680, 190), fill=(255, 236, 160))
    draw.polygon([(0, 460), (190, 220), (360, 430), (520, 260), (800, 470), (800, 600), (0, 600)], fill=(58, 92, 66))
    for _ in range(2500):
        draw.point((noise.randrange(800), noise.randrange(600)), fill=tuple(noise.randrange(256) for _ in range(3)))
    return image.filter(ImageFilter.GaussianBlur(1.2))


def write_report(file: Path, picture: Image.Image) -> None:
    """Two pages with text; the first shows the picture."""
    small = picture.resize((320, 240))
    pixels = zlib.compress(small.tobytes(), 9)
    bodies: list[bytes] = []
    for number, (title, lines) in enumerate(PAGES):
        text = [f"BT /F1 24 Tf 72 760 Td ({title}) Tj ET"]
        text += [f"BT /F1 12 Tf 72 {730 - 18 * row} Td ({line}) Tj ET" for row, line in enumerate(lines)]
        if number == 0:
            text.append("q 320 0 0 240 72 420 cm /Im1 Do Q")
        bodies.append("\n".join(text).encode())
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 7 0 R >> /XObject << /Im1 8 0 R >> >> >>",
        _stream(b"", bodies[0]),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R "
        b"/Resources << /Font << /F1 7 0 R >> >> >>",
        _stream(b"", bodies[1]),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _stream(
            b"/Type /XObject /Subtype /Image /Width 320 /Height 240 /ColorSpace /DeviceRGB /BitsPerComponent 8 "
            b"/Filter /FlateDecode ",
            pixels,
        ),
    ]
    file.write_bytes(pdf_of_objects(objects))


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %s/Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


if __name__ == "__main__":
    chart = draw_picture()
    chart.save(HERE / "picture.png", optimize=True)
    draw_photo().save(HERE / "photo.jpg", quality=80)
    write_report(HERE / "report.pdf", chart)
    (HERE / "notes.txt").write_text(NOTES, encoding="utf-8")
