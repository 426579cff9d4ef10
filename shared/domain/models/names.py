"""Normalise model names: one spelling is stored, hashed and sent, however the name was written."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def plain_name(written: str) -> str:
    """Return the name without blanks around it and without the "models/" that the Gemini API puts before it.

    Nothing is left that a look-up in the catalogue would overlook, and a request to the API would not.
    """
    name, before = written, ""
    while name != before:
        name, before = name.strip().removeprefix("models/"), name
    if not name:
        raise ValueError("name a model; GET /v1/models lists them")
    return name


ModelName = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(plain_name)]
