"""Pages without text, and pictures: vectors are made of what they show. A PDF's page is drawn as a JPEG first.

The model takes PNG and JPEG, six of them in a request (guide "Embeddings"). A call takes as many, since the guide does
not say whether the limit holds for each content or for all that are sent together.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from functions.generate.model.spending import media_tokens
from functions.generate.question.parts import UploadPart
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import Facts, InMemory, media_type
from shared.domain.media.limits import GEMINI
from shared.domain.models.catalogue import Model
from shared.domain.models.prices import InputKind
from shared.examiner import Threaded
from shared.off_loop import off_loop
from shared.page_drawer import PageNotDrawn

MAX_PICTURES = 6
MAX_BYTES = 14 << 20
"""Of the pictures in one call: a request may have 20 MB, and base64 adds a third."""
_DRAWN_BYTES = 2 << 20
"""More than a drawn page has, unless it is all noise."""
_TAKEN = ("image/png", "image/jpeg")


class ShownPage(NamedTuple):
    """A page without text, or a picture."""

    page: int
    """Counted from 1."""
    part: UploadPart
    """The picture, or the PDF with the page."""

    @property
    def is_drawn(self) -> bool:
        return self.part.facts.media_type.family == "pdf"

    @property
    def bytes_to_send(self) -> int:
        return _DRAWN_BYTES if self.is_drawn else self.part.facts.size


class Picture(NamedTuple):
    """What a call has of a page."""

    page: int
    blob: Json
    """inlineData."""
    facts: Facts


def shown_pictures(parts: Sequence[UploadPart]) -> tuple[ShownPage, ...]:
    """Return the pictures that a picture's file became. Raises `PermanentFailure` for one that the model refuses."""
    for part in parts:
        kind = part.facts.media_type
        if kind.mime not in _TAKEN:
            message = f"Vectors are made of PNG and JPEG images; this is {kind.label}. Save it as one, and upload that."
            raise PermanentFailure("unsupported_content_type", message)
        if part.facts.size > MAX_BYTES:
            message = (
                f"The picture has {part.facts.size:,} bytes; vectors are made of pictures with {MAX_BYTES:,} at most. "
                "Make it smaller, and upload that."
            )
            raise PermanentFailure("payload_too_large", message)
    return tuple(ShownPage(number, part) for number, part in enumerate(parts, 1))


def in_batches(shown: Sequence[ShownPage]) -> list[list[ShownPage]]:
    """Return the pages in groups, each of which fits in one call."""
    batches: list[list[ShownPage]] = []
    room = 0
    for each in shown:
        if not batches or len(batches[-1]) == MAX_PICTURES or each.bytes_to_send > room:
            batches.append([])
            room = MAX_BYTES
        batches[-1].append(each)
        room -= each.bytes_to_send
    return batches


async def load_pictures(deps: GenerateDeps, shown: Sequence[ShownPage]) -> list[Picture]:
    """Read the pictures of a call, and draw its pages.

    Raises `TransientFailure` for a page that cannot be drawn: it may be the instance's fault.
    """
    pictures: list[Picture] = []
    document: tuple[UploadPart, bytes] | None = None
    for page, part in shown:
        if document is None or document[0] is not part:
            document = (part, await read_whole(deps, part))
        data, facts = document[1], part.facts
        if facts.media_type.family == "pdf":
            try:
                drawn = await deps.page_drawer.draw(Threaded(InMemory(data), deps.storage.in_thread), page, "JPEG")
            except PageNotDrawn as error:
                raise TransientFailure(f"{part.name}: page {page} could not be drawn. {error}") from error
            kind = media_type("image/jpeg")
            data = drawn.picture
            facts = Facts(media_type=kind, size=len(data), width=drawn.width, height=drawn.height)
        encoded = await off_loop(base64.b64encode, data)
        pictures.append(Picture(page, {"mimeType": facts.media_type.mime, "data": encoded.decode()}, facts))
    return pictures


def picture_tokens(pictures: Sequence[Picture], model: Model | None) -> dict[InputKind, int]:
    """Return the most tokens of the pictures together; each may fill the model's window."""
    counts: Counter[InputKind] = Counter()
    for picture in pictures:
        counts.update(media_tokens([picture.facts], model))
    return dict(counts)


async def read_whole(deps: GenerateDeps, part: UploadPart) -> bytes:
    """Return the bytes of a picture or a PDF."""
    with await part.open() as stream:
        return await deps.storage.in_thread(partial(read_at_most, stream, GEMINI.pdf_bytes + 1))


def read_at_most(stream: io.IOBase, most: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < most and (piece := stream.read(most - len(pieces))):
        pieces += piece
    return bytes(pieces)
