"""Keeps what the newest provider takes, so that a plan by the oldest can be compared with it.

`terraform providers schema -json | python -m tests.terraform.newest_schema VERSION` writes newest_schema.json anew: of
the resources in terraform/, the names of what can be set and what must be, without types and descriptions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.terraform.checker import CONFIGURATION

KEPT = Path(__file__).with_suffix(".json")
_USED = re.compile(r'^(resource|data) "(google_\w+)"', re.MULTILINE)


def used() -> set[tuple[str, str]]:
    """What the configuration declares: `resource` or `data`, and the type."""
    return {(kind, name) for path in CONFIGURATION.glob("*.tf") for kind, name in _USED.findall(path.read_text())}


def compact(block: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a block's schema the names: `optional` and `required` arguments and blocks, and `blocks` with theirs."""
    attributes, blocks = block.get("attributes", {}), block.get("block_types", {})
    required = {name for name, attribute in attributes.items() if attribute.get("required")}
    required |= {name for name, nested in blocks.items() if nested.get("min_items")}
    settable = required | {name for name, attribute in attributes.items() if attribute.get("optional")} | blocks.keys()
    kept: dict[str, Any] = {"optional": sorted(settable - required), "required": sorted(required)}
    if blocks:
        kept["blocks"] = {name: compact(nested["block"]) for name, nested in sorted(blocks.items())}
    return kept


def differences(
    place: str, values: Mapping[str, Any], unknown: Mapping[str, Any], block: Mapping[str, Any]
) -> Iterator[str]:
    """Compare what a plan sets with what the newest provider takes: names that are gone, and new ones that it needs.

    `values` are planned, `unknown` marks those that are known after apply only.
    """
    given = {name: value for name, value in values.items() if value not in (None, [], {})}
    for name in sorted(given.keys() - {*block["optional"], *block["required"]}):
        yield f"{place}: {name} is gone"
    for name in block["required"]:
        if name not in given and not unknown.get(name):
            yield f"{place}: {name} is needed"
    for name, nested in block.get("blocks", {}).items():
        inner = given.get(name, [])
        for index, child in enumerate(inner if isinstance(inner, list) else [inner]):
            marks = unknown.get(name)
            mark = marks[index] if isinstance(marks, list) and index < len(marks) else {}
            yield from differences(f"{place}.{name}", child, mark, nested)


def main(version: str) -> None:
    (schemas,) = json.load(sys.stdin)["provider_schemas"].values()
    by_kind = {"resource": schemas["resource_schemas"], "data": schemas["data_source_schemas"]}
    kept: dict[str, Any] = {kind: {} for kind in sorted(by_kind)}
    for kind, name in sorted(used()):
        kept[kind][name] = compact(by_kind[kind][name]["block"])
    KEPT.write_text(
        json.dumps({"version": version, **kept}, separators=(",", ":")).replace('},"google_', '},\n"google_') + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1])
