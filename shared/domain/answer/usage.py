"""Add up what several calls used, as the service counts it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from shared.domain.answer.response import Json


def total_usage(responses: Sequence[Json]) -> Json:
    """Add up the usage of all calls, details by modality."""
    total: Json = {}
    for response in responses:
        counted = response.get("usageMetadata")
        for name, value in (counted if isinstance(counted, dict) else {}).items():
            total[name] = _added(total.get(name), value)
    return total


def _added(so_far: JsonValue, more: JsonValue) -> JsonValue:
    if isinstance(more, int) and not isinstance(more, bool):
        return more + (so_far if isinstance(so_far, int) else 0)
    if not isinstance(more, list):
        return more
    tokens: dict[str, int] = {}
    for detail in [*(so_far if isinstance(so_far, list) else []), *more]:
        if isinstance(detail, dict):
            modality, count = str(detail.get("modality")), detail.get("tokenCount")
            tokens[modality] = tokens.get(modality, 0) + (count if isinstance(count, int) else 0)
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items()]
