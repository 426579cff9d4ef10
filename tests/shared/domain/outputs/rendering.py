"""Questions, pictures and rendered files for the tests of outputs."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from pydantic import JsonValue

from shared.domain.outputs import Source, render
from shared.domain.outputs.sandboxed_drawing import arguments_of, read_reply, run
from shared.domain.recipe.definition import RecipeQuestion


def question(*outputs: str, schema: Any = None) -> RecipeQuestion:
    return RecipeQuestion(name="", prompt="p", response_schema=schema, outputs=outputs)


def made(output: str, text: str = "", value: JsonValue = None, **source: Any) -> str:
    rendered = render(question(output), text, value, Source(name="calls/a.mp3", **source))
    assert rendered.warnings == ()
    return rendered.files[output].data.decode()


def picture(size: tuple[int, int] = (200, 100), **options: Any) -> bytes:
    out = io.BytesIO()
    options.setdefault("format", "PNG")
    Image.new("RGB", size, "white").save(out, **options)
    return out.getvalue()


def drawn_on(question: RecipeQuestion, value: JsonValue, image: bytes, size: tuple[int, int] | None = None) -> Source:
    """The source as it is published: with what the drawing process makes of the picture. `size` is the examiner's."""
    arguments = arguments_of(value, question.response_schema, size=size, draw="png" in question.outputs)
    reply = read_reply(*run(arguments, image, None))
    width, height = reply.size or (None, None)
    return Source("a.png", width, height, drawn=reply.drawn, undrawable=reply.undrawable)
