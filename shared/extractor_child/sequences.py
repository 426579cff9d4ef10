"""Extract pictures of a HEIC sequence, which is stored like a film."""

from __future__ import annotations

import io

import av
from PIL import Image

from shared.domain.media.random_access import DamagedError
from shared.examiner_child.demuxing import open_as
from shared.extractor_child.document import Document
from shared.extractor_child.pictures import add_picture

_MAX_PICTURES = 16


def render_sequence(data: bytes, document: Document) -> None:
    """Add up to 16 pictures, evenly spread over the sequence."""
    try:
        opened = open_as(io.BytesIO(data), "heif-sequence")
        with opened.container:
            count = 0 if opened.pictures is None else max(opened.pictures.frames, 1)
            step = max(1, -(-count // _MAX_PICTURES))
            frames = opened.container.decode(opened.pictures) if opened.pictures is not None else iter(())
            for number, frame in enumerate(frames):
                if not number % step:
                    picture = io.BytesIO()
                    shown: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
                    shown.convert("RGB").save(picture, "JPEG", quality=90)
                    add_picture(document, picture.getvalue(), f"picture {number + 1}")
    except av.FFmpegError as error:
        raise DamagedError("The sequence of images cannot be decoded: it is truncated or damaged.") from error
    if not document.files:
        raise DamagedError("The sequence of images holds none that can be decoded.")
    if count > len(document.files):
        document.notes.append(f"Of the sequence's {count} pictures, {len(document.files)} were sent.")
