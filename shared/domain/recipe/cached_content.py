"""Split questions about the same files into shared content, which goes into a context cache, and the rest."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.recipe.question import Question

_CACHED_FIELDS = ("systemInstruction", "tools", "toolConfig")
"""Fields that a request that names a cache may not carry itself."""


def shared_content(body: Json) -> Json:
    """Return what all questions about the same files share: the files, the system instruction and the tools."""
    media, _ = _split_media(cast(list[Json], body["contents"])[0])
    cached = {name: body[name] for name in _CACHED_FIELDS if name in body}
    return {"contents": [{"role": "user", "parts": media}], **cached}


def body_naming_cache(cache_name: str, body: Json) -> Json:
    """Return the body without what the cache holds, naming the cache."""
    first, *later = cast(list[Json], body["contents"])
    _, words = _split_media(first)
    rest = {name: value for name, value in body.items() if name not in _CACHED_FIELDS}
    return {**rest, "contents": [{**first, "parts": words}, *later], "cachedContent": cache_name}


def digest_of_shared_content(question: Question) -> str:
    """Return a digest of the cache's content that does not depend on the names of the uploaded files."""
    shared = shared_content(question.body)
    media = cast(list[Json], cast(list[Json], shared["contents"])[0]["parts"])
    named = [{**part, "fileData": source} for part, source in zip(media, question.sources, strict=True)]
    whole = json.dumps([question.model, {**shared, "contents": cast(JsonValue, named)}], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _split_media(content: Json) -> tuple[list[JsonValue], list[JsonValue]]:
    """Split a turn into its media parts and its other parts."""
    parts = cast(list[Json], content["parts"])
    return [part for part in parts if "fileData" in part], [part for part in parts if "fileData" not in part]
