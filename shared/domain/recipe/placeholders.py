"""Placeholders in prompts: `{name}`, `{date}`, `{metadata.customer}`, `{metadata.language|English}`.

System instructions can have them too. The list is closed. All are replaced in one pass, so placeholders in a value are
not replaced. `{{` and `}}` are braces; `literal` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.domain.answer.timestamps import written
from shared.domain.recipe.definition import Range
from shared.domain.recipe.matching import PREFIX, Dropped

NAMES = ("name", "file", "stem", "folder", "bucket", "date", "time", "type", "family", "size", "from", "to")
"""The placeholders besides `metadata.KEY`."""

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<inside>[^{}]*)\}|[{}]")
_METADATA = re.compile(r"metadata\.(?P<key>[A-Za-z0-9_.-]+)")


class Missing(ValueError):
    """The object has no value for a placeholder."""


def flaws(prompt: str) -> Iterator[str]:
    """Yield sentences about errors in the placeholders of a prompt."""
    for token in _TOKEN.finditer(prompt):
        inside = token["inside"]
        if token[0] in ("{", "}"):
            yield f"a single {token[0]} in the prompt: write {token[0] * 2} for a brace"
        elif inside is not None and not _known(inside.partition("|")[0]):
            yield f"unknown placeholder {{{inside}}}: there are {', '.join(NAMES)} and metadata.KEY"


def literal(text: str) -> str:
    """Escape text so that `fill` returns it unchanged."""
    return text.replace("{", "{{").replace("}", "}}")


def metadata_keys(prompt: str) -> Iterator[str]:
    """Yield the metadata keys that a prompt uses. Each may also have the prefix `dropsight-`."""
    for token in _TOKEN.finditer(prompt):
        if metadata := _METADATA.fullmatch((token["inside"] or "").partition("|")[0]):
            yield metadata["key"]


def fill(prompt: str, about: Dropped, range_: Range | None = None) -> str:
    """Return the prompt for one object. Raises `Missing` if a placeholder has neither value nor `|fallback`."""

    def value(token: re.Match[str]) -> str:
        inside = token["inside"]
        if inside is None:
            return token[0][0]
        name, bar, fallback = inside.partition("|")
        value = _value(name, about, range_)
        if value:
            return value
        if bar:
            return fallback
        raise Missing(f"the prompt asks for {{{name}}}, which {about.name} does not have")

    return _TOKEN.sub(value, prompt)


def _known(name: str) -> bool:
    return name in NAMES or _METADATA.fullmatch(name) is not None


def _value(name: str, about: Dropped, range_: Range | None) -> str:
    folder, _, file = about.name.rpartition("/")
    if match := _METADATA.fullmatch(name):
        key = match["key"]
        spelled = (key, key.lower(), f"{PREFIX}{key}", f"{PREFIX}{key}".lower())
        return next((about.metadata[spelling] for spelling in spelled if spelling in about.metadata), "")
    created = about.created_at
    return {
        "name": about.name,
        "file": file,
        "stem": file.rpartition(".")[0] or file,
        "folder": folder,
        "bucket": about.bucket,
        "date": created.strftime("%Y-%m-%d") if created else "",
        "time": created.strftime("%H:%M:%S") if created else "",
        "type": about.mime,
        "family": about.family,
        "size": str(about.size),
        "from": written(range_.start) if range_ else "",
        "to": written(range_.end) if range_ and range_.end is not None else "",
    }.get(name, "")
