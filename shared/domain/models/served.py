"""The service's own description of its models: its list updates the catalogue, and a single entry gives the limits of a
model that the catalogue lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.domain.media.kinds import Family
from shared.domain.models.catalogue import Catalogue, Model, Retired, catalogue
from shared.domain.models.releases import release


class ServedModel(BaseModel):
    """A model as `GET /v1beta/models` describes it; unneeded fields are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    name: str
    display_name: str | None = None
    input_token_limit: int = Field(ge=0)
    output_token_limit: int = Field(ge=0)
    supported_generation_methods: tuple[str, ...] = ()
    thinking: bool = False


class _Listing(BaseModel):
    models: tuple[ServedModel, ...]


def from_models_list(listing: str | bytes, base: Catalogue | None = None) -> Catalogue:
    """Return `base` (default: the built-in catalogue) updated from the service's model list.

    `listing` is JSON, with all pages joined under "models". Limits come from the list. A new model borrows inputs and
    capabilities from the newest catalogued one of its variation, because the list does not state them. A model that is
    gone is retired in favour of the newest of its variation.
    Raises `ValueError` when the JSON is no model list or lists no Gemini model.
    """
    before = base or catalogue()
    embedding_ids = {model.id for model in before.models if model.outputs == {"embedding"}}
    listed = {
        entry.name.removeprefix("models/"): entry
        for entry in _Listing.model_validate_json(listing).models
        if entry.name.removeprefix("models/").startswith("gemini-")
        and entry.input_token_limit
        and (
            {"generateContent", "bidiGenerateContent"}.intersection(entry.supported_generation_methods)
            or entry.name.removeprefix("models/") in embedding_ids
        )
    }
    names = [name for name in listed if name not in before.latest and not name.endswith("-latest")]
    current = tuple(
        _updated(before, name, listed[name])
        for name in names
        if not (name[-4:-3] == "-" and name[-3:].isdigit() and name[:-4] in listed)
    )
    if not current:
        raise ValueError("the list names no Gemini model: the catalogue is left as it was")
    ids = {model.id for model in current}
    gone = [model for model in before.models if model.id not in ids]
    retired = [
        *(Retired(id=model.id, successor=_successor(current, model)) for model in gone),
        *(
            Retired(id=model.id, successor=_existing_or_newest(current, model.successor))
            for model in before.retired
            if model.id not in ids
        ),
    ]
    return before.model_copy(
        update={
            "default": _default(current, _model(before, before.default)),
            "latest": {
                alias: _alias_target(current, alias, basis) if alias in listed else _existing_or_newest(current, basis)
                for alias, basis in before.latest.items()
            },
            "models": current,
            "retired": tuple(retired),
        }
    )


def model_of(served: ServedModel, base: Catalogue | None = None) -> Model:
    """Return a model that the catalogue lacks: with its own limits, otherwise like the newest of its variation.

    What it takes and refuses is unknown: every family is allowed, and the service decides.
    """
    model = _updated(base or catalogue(), served.name.removeprefix("models/"), served)
    unknown: dict[str, object] = {"ignores": frozenset(), "refuses": frozenset()}
    return model.model_copy(update={"inputs": frozenset(get_args(Family)), "outputs": frozenset({"text"}), **unknown})


def _updated(before: Catalogue, name: str, listed: ServedModel) -> Model:
    resolved = before.resolve(name)
    basis = resolved if isinstance(resolved, Model) else _model(before, _newest(before.models, name))
    own = next((model for model in before.models if model.id == name), None)
    thinks = basis.thinking if listed.thinking or own else None
    return basis.model_copy(
        update={
            "id": name,
            "label": listed.display_name or name,
            "stage": own.stage if own else release(name).stage,
            "input_tokens": listed.input_token_limit,
            "output_tokens": listed.output_token_limit,
            "thinking": thinks,
            "capabilities": basis.capabilities if thinks else basis.capabilities - {"thinking"},
            "updated": own.updated if own else None,
            "knowledge_cutoff": own.knowledge_cutoff if own else None,
            "prices": own.prices if own else (),
            "price_source": own.price_source if own else None,
            "cache_storage": own.cache_storage if own else None,
            "previous": own.previous if own else False,
            "shutdown": resolved.shutdown if isinstance(resolved, Model) else None,
            "basis": None if own else basis.basis or basis.id,
        }
    )


def _default(models: Sequence[Model], before: Model) -> str:
    """Return the default model: the current one until its shutdown is announced, then its successor, if that exists."""
    ids = {model.id for model in models}
    if before.id in ids and (before.shutdown is None or before.shutdown.successor not in ids):
        return before.id
    return _successor(models, before)


def _alias_target(models: Sequence[Model], alias: str, before: str) -> str:
    """Return the model that Google's `alias` refers to: the newest release of its variation, in any stage.

    A model whose end is announced is left out.
    """
    variation = alias.removeprefix("gemini-").removesuffix("-latest")
    releases = [(release(model.id), model.id) for model in models if model.shutdown is None]
    candidates = [(parts.generation, name == before, name) for parts, name in releases if parts.variation == variation]
    return max(candidates)[-1] if candidates else _newest(models, before)


def _existing_or_newest(models: Sequence[Model], name: str) -> str:
    """Return `name` if it is among the models, else the newest similar model."""
    return name if any(model.id == name for model in models) else _newest(models, name)


def _successor(models: Sequence[Model], gone: Model) -> str:
    """Return the successor that Google recommends, if it exists, else the newest similar model."""
    if gone.shutdown is not None and any(model.id == gone.shutdown.successor for model in models):
        return gone.shutdown.successor
    return _newest(models, gone.id)


def _model(base: Catalogue, name: str) -> Model:
    return next(model for model in base.models if model.id == name)


def _newest(models: Sequence[Model], like: str) -> str:
    """Return the newest model of `like`'s variation, stable before preview, else the newest stable flash model."""

    def rank(model: Model) -> tuple[bool, bool, bool, float]:
        parts = release(model.id)
        return (parts.variation == variation, parts.variation == "flash", model.stage == "stable", parts.generation)

    variation = release(like).variation
    return max((model for model in models if model.outputs != {"embedding"}), key=rank).id
