"""`batchEmbedContents` and `embedContent`: vectors made of the words of a text, so that texts with the same words lie
close to each other.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from local.standins.gemini.errors import invalid
from local.standins.gemini.models import Model
from local.standins.gemini.prompt import texts
from local.standins.gemini.tokens import of_text

METHODS = ("embedContent", "batchEmbedContents")
MOST_TEXTS = 100
_TASK = re.compile(r"^(?:title: .*?|task: .*?) \| (?:text|query): ", re.DOTALL)
"""The words before the text by which gemini-embedding-2 is given its task."""
_WORD = re.compile(r"\w+")
_DIMENSIONS = 3072
_PLACES = 8
"""Numbers of a vector that a word has a part in."""


def embed(requests: list[dict[str, Any]], model: Model) -> dict[str, Any]:
    """Return the answer to the requests of a batch. Takes long for many: call it in a thread. Raises ApiError."""
    if not 1 <= len(requests) <= MOST_TEXTS:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {MOST_TEXTS} requests can be in one batch\n")
    vectors, tokens = [], 0
    for number, request in enumerate(requests):
        text = "\n".join(texts(request.get("content", {})))
        if not text:
            raise invalid(f"* BatchEmbedContentsRequest.requests[{number}].content: content is empty\n")
        dimensions = request.get("outputDimensionality") or _DIMENSIONS
        if not 1 <= dimensions <= _DIMENSIONS:
            raise invalid(f"The output dimensionality must be from 1 to {_DIMENSIONS}: {dimensions}")
        # What goes beyond the limit is cut off without a word.
        tokens += min(of_text(text), model.input_token_limit)
        vectors.append({"values": vector_of(text[: 4 * model.input_token_limit], dimensions)})
    details = [{"modality": "TEXT", "tokenCount": tokens}]
    return {"embeddings": vectors, "usageMetadata": {"promptTokenCount": tokens, "promptTokenDetails": details}}


def vector_of(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1."""
    values = [0.0] * dimensions
    for word in _WORD.findall(_TASK.sub("", text).casefold()) or ["\0"]:
        digest = hashlib.sha256(word.encode()).digest()
        for place in range(_PLACES):
            at = int.from_bytes(digest[4 * place : 4 * place + 3], "big") % dimensions
            values[at] += 1.0 if digest[4 * place + 3] & 1 else -1.0
    length = math.hypot(*values) or 1.0
    return [round(value / length, 8) for value in values]
