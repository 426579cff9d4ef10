"""List the models of the catalogue, or update the catalogue from the Gemini API.

models              every model with its inputs and limits, and the names that no longer answer
models refresh      rewrite the catalogue from Gemini's own list, and print what changed

refresh asks the Gemini API with GEMINI_API_KEY, or the server at GOOGLE_GEMINI_BASE_URL.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx2
from pydantic import JsonValue

from local import screen
from local.workers import ROOT
from shared.domain.models.catalogue import Catalogue, Model
from shared.domain.models.served import from_models_list

_FILE = ROOT / "shared" / "domain" / "models" / "catalogue.json"
_SERVICE = "https://generativelanguage.googleapis.com"
_ALWAYS = (
    "id", "label", "stage", "inputs", "outputs", "input_tokens", "output_tokens", "capabilities", "thinking",
    "updated", "knowledge_cutoff",
)  # fmt: skip
"""Fields that the file has for every model; it has the others only if they differ from their default."""
_REPORTED = ("input_tokens", "output_tokens", "thinking", "capabilities")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the catalogue, or the changes, as JSON")
    parser.add_argument("--catalogue", type=Path, default=_FILE, metavar="FILE", help="default: the project's own")
    commands = parser.add_subparsers(dest="command", metavar="[refresh]")
    refresh = commands.add_parser("refresh", help="update the catalogue from Gemini's own list")
    refresh.add_argument("--dry-run", action="store_true", help="print what would change, and write nothing")
    # SUPPRESS: a subcommand's default would overwrite an option that stands before the subcommand.
    refresh.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    refresh.add_argument("--catalogue", type=Path, default=argparse.SUPPRESS, metavar="FILE")
    args = parser.parse_args(argv)
    models = Catalogue.model_validate_json(args.catalogue.read_text(encoding="utf-8"))
    if args.command == "refresh":
        return _refresh_catalogue(models, args.catalogue, as_json=args.json, dry_run=args.dry_run)
    if args.json:
        screen.print_json(models.model_dump(mode="json"))
    else:
        _print_catalogue(models)
    return 0


def render_catalogue(catalogue: Catalogue) -> str:
    """Return the catalogue as its file has it: a line for each field of a model, so that diffs are easy to read."""
    models = ",\n".join(_render_model(_select_fields(model)) for model in catalogue.models)
    retired = ",\n".join(
        f"    {_render(entry.model_dump(mode='json', exclude_none=True))}" for entry in catalogue.retired
    )
    latest = ",\n".join(f"    {json.dumps(alias)}: {json.dumps(basis)}" for alias, basis in catalogue.latest.items())
    return (
        f'{{\n  "source": {_render(catalogue.source)},\n  "prices_read": "{catalogue.prices_read}",\n'
        f'  "default": {_render(catalogue.default)},\n'
        f'  "latest": {{\n{latest}\n  }},\n  "models": [\n{models}\n  ],\n  "retired": [\n{retired}\n  ]\n}}\n'
    )


def describe_changes(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """Yield a line for each difference."""
    old, new = {model.id: model for model in before.models}, {model.id: model for model in after.models}
    successors = {entry.id: entry.successor for entry in after.retired}
    for name in new.keys() - old.keys():
        basis = f", taken to be like {new[name].basis}" if new[name].basis else ""
        yield f"new: {name} ({new[name].label}{basis})"
    for name in old.keys() - new.keys():
        yield f"gone: {name}, use {successors[name]}"
    for name in old.keys() & new.keys():
        was, now = _to_json(old[name]), _to_json(new[name])
        for field in _REPORTED:
            if was[field] != now[field]:
                yield f"changed: {name}: {field} {_render(was[field])} → {_render(now[field])}"
    if before.default != after.default:
        yield f"changed: the default {before.default} → {after.default}"
    for alias, basis in after.latest.items():
        if before.latest.get(alias) != basis:
            yield f"changed: {alias} is taken to be like {basis}"


def _refresh_catalogue(old: Catalogue, file: Path, *, as_json: bool, dry_run: bool) -> int:
    try:
        new = from_models_list(json.dumps({"models": _fetch_models()}), old)
    except ValueError as error:
        screen.print_error(f"The service's list cannot be used: {error}")
        return 1
    changes = sorted(describe_changes(old, new))
    must_write = not dry_run and new != old
    if must_write:
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(render_catalogue(new), encoding="utf-8")
        draft.replace(file)
    if as_json:
        screen.print_json({"changes": changes, "written": must_write})
        return 0
    for line in changes:
        screen.print_plain(line)
    screen.print_line(f"{len(new.models)} models" + ("" if changes else ": nothing has changed"))
    return 0


def _fetch_models() -> list[JsonValue]:
    """Return all pages of the service's list of models."""
    base, key = os.environ.get("GOOGLE_GEMINI_BASE_URL"), os.environ.get("GEMINI_API_KEY")
    if not key and not base:
        raise SystemExit("models refresh: set GEMINI_API_KEY to a key of the Gemini API")
    url = f"{(base or _SERVICE).rstrip('/')}/v1beta/models"
    models: list[JsonValue] = []
    page: dict[str, str] = {}
    with httpx2.Client(headers={"x-goog-api-key": key or "stand-in"}, timeout=60) as http:
        while True:
            try:
                answer = http.get(url, params={"pageSize": "1000", **page})
            except httpx2.TransportError as error:
                raise SystemExit(f"models refresh: {url} does not answer: {type(error).__name__}") from error
            if answer.is_error:
                raise SystemExit(f"models refresh: {url} answers {answer.status_code}: {_error_status(answer)}")
            body = answer.json()
            models += body.get("models", [])
            if not body.get("nextPageToken"):
                return models
            page = {"pageToken": body["nextPageToken"]}


def _error_status(answer: httpx2.Response) -> str:
    """Return the status of an error. Its message is left out, since it quotes a suspended key in full."""
    try:
        return str(answer.json()["error"]["status"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def _print_catalogue(catalogue: Catalogue) -> None:
    for model in catalogue.models:
        notes = [
            *(["the default"] if model.id == catalogue.default else []),
            *([f"like {model.basis}"] if model.basis else []),
            *([f"ends {model.shutdown.on}, then {model.shutdown.successor}"] if model.shutdown else []),
            *(["closed to new users"] if model.closed_to_new else []),
        ]
        note = f"  ({'; '.join(notes)})" if notes else ""
        takes = f"{', '.join(sorted(model.inputs))} → {', '.join(sorted(model.outputs))}"
        limits = f"{model.input_tokens:,} in, {model.output_tokens:,} out"
        screen.print_plain(f"{model.id:48}{model.stage:14}{takes}; {limits}{note}")
    for alias, basis in catalogue.latest.items():
        screen.print_plain(f"{alias:48}latest        like {basis}")
    for retired in catalogue.retired:
        screen.print_plain(f"{retired.id:48}retired       use {retired.successor}")


def _to_json(model: Model) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = model.model_dump(mode="json", exclude={"prices"})
    fields["prices"] = [price.model_dump(mode="json", by_alias=True, exclude_none=True) for price in model.prices]
    for field in ("inputs", "outputs", "capabilities", "ignores", "refuses"):
        fields[field] = cast(JsonValue, sorted(cast(list[str], fields[field])))
    return fields


def _select_fields(model: Model) -> dict[str, JsonValue]:
    set_fields = model.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in _to_json(model).items() if name in _ALWAYS or name in set_fields}


def _render_model(fields: dict[str, JsonValue]) -> str:
    lines = ",\n".join(f"      {json.dumps(name)}: {_render_field(name, value)}" for name, value in fields.items())
    return f"    {{\n{lines}\n    }}"


def _render_field(name: str, value: JsonValue) -> str:
    """Return the field's value; prices get a line each."""
    if name != "prices" or not isinstance(value, list):
        return _render(value)
    return "[\n" + ",\n".join(f"        {_render(price)}" for price in value) + "\n      ]"


def _render(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)}: {_render(entry)}" for name, entry in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
