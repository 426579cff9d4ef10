"""Have vectors made of texts or pictures, in the form of an answer of generateContent, as all answers are kept."""

from __future__ import annotations

import base64
import sys
from array import array
from typing import cast

from google import genai
from google.genai import types

from shared.domain.answer.made import VECTORS, unusable
from shared.domain.answer.response import Json
from shared.domain.models.text_tokens import CHARACTERS_PER_TOKEN


async def embed(client: genai.Client, model: str, body: Json, timeout: float) -> Json:
    """Return the vectors of the body's contents, one for each, in one call. `timeout` is in seconds.

    The contents are texts, or pictures as inlineData: all of one kind, since the service counts their tokens together.
    Another number or length of vectors is an answer, too: it is billed, and would come again.
    """
    contents = [types.Content.model_validate(content) for content in cast(list[Json], body["contents"])]
    settings = cast(Json, body["embedding"])
    config = types.EmbedContentConfig.model_validate(
        {**settings, "httpOptions": types.HttpOptions(timeout=int(timeout * 1000))}
    )
    response = await client.aio.models.embed_content(
        model=model, contents=cast(types.ContentListUnion, contents), config=config
    )
    vectors = [embedding.values or [] for embedding in response.embeddings or []]
    numbers = array("d", [value for vector in vectors for value in vector])
    if sys.byteorder == "big":
        numbers.byteswap()
    blob: Json = {"mimeType": VECTORS, "data": base64.b64encode(numbers.tobytes()).decode()}
    content: Json = {"role": "model", "parts": [{"inlineData": blob}]}
    made: Json = {
        "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
        "usageMetadata": _usage(response, contents),
    }
    if len(vectors) != len(contents):
        return unusable(made, f"has {len(vectors)} vectors for {len(contents)} inputs")
    odd = next((len(vector) for vector in vectors if len(vector) != settings["outputDimensionality"]), None)
    return made if odd is None else unusable(made, f"has vectors of {odd} dimensions")


def _usage(response: types.EmbedContentResponse, contents: list[types.Content]) -> Json:
    """Return the prompt's tokens by kind, as prices are. Those of texts are estimated if the service counts none."""
    parts = [part for content in contents for part in content.parts or []]
    is_text = all(part.inline_data is None for part in parts)
    usage = response.usage_metadata
    tokens = usage.prompt_token_count if usage is not None else None
    if not tokens and is_text:
        tokens = sum(len(part.text or "") for part in parts) // CHARACTERS_PER_TOKEN
    if not tokens:
        return {}
    details: Json = {"modality": "TEXT" if is_text else "IMAGE", "tokenCount": tokens}
    return {"promptTokenCount": tokens, "totalTokenCount": tokens, "promptTokensDetails": [details]}
