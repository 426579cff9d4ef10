"""Tell whether two names mean the same model."""

from __future__ import annotations

from shared.domain.models.catalogue import Model, Retired, UnknownName, resolve


def are_different(name: str, other: str) -> bool:
    """Return whether two names mean two models. An alias that moves may mean any model."""
    if name == other:
        return False
    models = resolve(name), resolve(other)
    if any(isinstance(model, Model) and model.stage == "latest" for model in models):
        return False
    return _basis(models[0], name) != _basis(models[1], other)


def _basis(meant: Model | Retired | UnknownName, name: str) -> str:
    """Return the catalogued model that a name means by itself, whoever answers for it."""
    return (meant.basis or meant.id) if isinstance(meant, Model) else name
