"""Questions, pictures and rendered files for the tests of outputs."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from pydantic import JsonValue

from shared.domain.outputs import Source, render
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
