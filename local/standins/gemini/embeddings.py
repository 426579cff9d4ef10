"""`batchEmbedContents` and `embedContent`: vectors made of the words of a text, so that texts with the same words lie
close to each other, and of the bytes of media, each of which counts as one word.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from typing import Any

from local.standins.gemini.errors import invalid, unimplemented
from local.standins.gemini.models import Model
from local.standins.gemini.prompt import Content, Prompt, texts
from local.standins.gemini.tokens import Modality, details

METHODS = ("embedContent", "batchEmbedContents")
MAX_TEXTS = 100
MAX_IMAGES, MAX_DOCUMENTS, MAX_PAGES = 6, 1, 6
"""Of one content."""
_IMAGES = ("image/png", "image/jpeg")
_TASK = re.compile(r"^(?:title: .*?|task: .*?) \| (?:text|query): ", re.DOTALL)
"""The words before the text by which gemini-embedding-2 is given its task."""
_WORD = re.compile(r"\w+")
_DIMENSIONS = 3072
_PLACES = 8
"""Numbers of a vector that a word has a part in."""


def check_count(requests: list[dict[str, Any]]) -> None:
    """Raise ApiError for an empty batch, or one with too many requests."""
    if not 1 <= len(requests) <= MAX_TEXTS:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {MAX_TEXTS} requests can be in one batch\n")


def embed(requests: list[dict[str, Any]], prompts: list[Prompt], model: Model) -> dict[str, Any]:
    """Return the answer to the requests of a batch, given the prompt of each.

    Takes long for many: call it in a thread. Raises ApiError.
    """
    vectors = []
    tokens: Counter[Modality] = Counter()
    for number, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        content = request.get("content", {})
        words, media = "\n".join(texts(content)), _digests(content)
        if not words and not media:
            raise invalid(f"* BatchEmbedContentsRequest.requests[{number}].content: content is empty\n")
        _check_media(content, prompt)
        dimensions = request.get("outputDimensionality") or _DIMENSIONS
        if not 1 <= dimensions <= _DIMENSIONS:
            raise invalid(f"The output dimensionality must be from 1 to {_DIMENSIONS}: {dimensions}")
        # What goes beyond the limit is cut off without a word.
        tokens.update({kind: min(count, model.input_token_limit) for kind, count in prompt.tokens.items()})
        vectors.append({"values": vector_of(" ".join([words[: 4 * model.input_token_limit], *media]), dimensions)})
    usage = {"promptTokenCount": tokens.total(), "promptTokenDetails": details(tokens)}
    return {"embeddings": vectors, "usageMetadata": usage}


def _digests(content: Content) -> list[str]:
    blobs = [part["inlineData"] for part in content.get("parts", []) if "inlineData" in part]
    return [hashlib.sha256(blob.get("data", b"")).hexdigest() for blob in blobs]


def _check_media(content: Content, prompt: Prompt) -> None:
    if any("fileData" in part for part in content.get("parts", [])):
        raise unimplemented("Embedding files of the Files API")
    mime_types = [part["inlineData"].get("mimeType") for part in content.get("parts", []) if "inlineData" in part]
    images = sum(item.media.kind == "image" for item in prompt.items)
    documents = [item.media for item in prompt.items if item.media.kind == "document"]
    if images > MAX_IMAGES or len(documents) > MAX_DOCUMENTS:
        raise invalid(f"A content may have at most {MAX_IMAGES} images and {MAX_DOCUMENTS} document.")
    if (pages := sum(document.pages for document in documents)) > MAX_PAGES:
        raise invalid(f"The document contains {pages} pages which exceeds the supported page limit of {MAX_PAGES}.")
    if other := [mime for mime in mime_types if str(mime).startswith("image/") and mime not in _IMAGES]:
        raise invalid(f"Unsupported MIME type: {other[0]}")


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
