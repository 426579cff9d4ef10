"""GET /v1/models and /v1/configs/llm_generations_models: list the models in OpenAI's form and in this API's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.responses import Response

from functions.api.auth import Reader
from functions.api.json_body import render_json
from functions.api.openapi_shapes import errors, json_response
from shared import wiring
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused
from shared.domain.models.catalogue import Model, catalogue, resolve

router = APIRouter()

_CACHE_CONTROL = "private, max-age=300"


@router.get(
    "/v1/configs/llm_generations_models",
    operation_id="configurations",
    responses={200: json_response("ModelList"), **errors(401, 403, 429)},
)
async def configurations(key: Reader) -> Response:
    """The models with what they take, can do, and their limits."""
    served = catalogue()
    listed = [describe_model(model) for model in _current_models()]
    return render_json({"object": "list", "default": served.default, "data": cast(JsonValue, listed)}, _CACHE_CONTROL)


@router.get("/v1/models", operation_id="models", responses={200: json_response("ModelList"), **errors(401, 403, 429)})
async def models(key: Reader) -> Response:
    """The models, in OpenAI's form."""
    return render_json({"object": "list", "data": [as_openai(model) for model in _current_models()]}, _CACHE_CONTROL)


@router.get(
    "/v1/models/{model_id}",
    operation_id="model",
    responses={200: json_response("ModelShown"), **errors(401, 403, 404, 429)},
)
async def model(model_id: str, key: Reader) -> Response:
    """One model, also by an alias or a dated version of its name."""
    served = resolve(model_id, wiring.api().clock.now().date())
    if not isinstance(served, Model):
        message = f"There is no model {model_id[:128]!r}. GET /v1/models lists them."
        raise RequestRefused(404, "no_available_model", message, param="model")
    return render_json({**describe_model(served), **as_openai(served)}, _CACHE_CONTROL)


def _current_models() -> list[Model]:
    """Return the models that are not shut down today."""
    today = wiring.api().clock.now().date()
    return [model for model in catalogue().models if model.shutdown is None or today < model.shutdown.on]


def as_openai(model: Model) -> Json:
    return {"id": model.id, "object": "model", "created": _updated_at(model), "owned_by": "google"}


def describe_model(model: Model) -> Json:
    return {
        "id": model.id,
        "label": model.label,
        "stage": model.stage,
        "inputs": cast(JsonValue, sorted(model.inputs)),
        "outputs": cast(JsonValue, sorted(model.outputs)),
        "limits": {"input_tokens": model.input_tokens, "output_tokens": model.output_tokens},
        "capabilities": cast(JsonValue, sorted(model.capabilities)),
        "thinking": model.thinking.model_dump(mode="json") if model.thinking else None,
        "retires": model.shutdown.on.isoformat() if model.shutdown else None,
        "replaced_by": model.shutdown.successor if model.shutdown else None,
        "prices": [price.model_dump(mode="json", by_alias=True, exclude_none=True) for price in model.prices],
        "price_source": model.price_source,
        "cache_storage": None if model.cache_storage is None else float(model.cache_storage),
        "knowledge_cutoff": model.knowledge_cutoff,
        "shutdown": model.shutdown.model_dump(mode="json") if model.shutdown else None,
        "closed_to_new": model.closed_to_new,
        "answered_by": model.answered_by,
    }


def _updated_at(model: Model) -> int:
    """Return the start of the month of the last update, in seconds since 1970; 0 if unknown."""
    if model.updated is None:
        return 0
    year, month = model.updated.split("-")[:2]
    return int(datetime(int(year), int(month), 1, tzinfo=UTC).timestamp())
