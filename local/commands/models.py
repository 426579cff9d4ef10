"""`models`: the catalogue of models, and how it is brought up to date.

models                  every model with what it takes and its limits; names that no longer answer
models refresh          read the service's own list and rewrite the catalogue, telling what changed

refresh asks the Gemini API with GEMINI_API_KEY, or whatever answers at GOOGLE_GEMINI_BASE_URL.
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
"""Fields that the file writes of every model; the others only where they say something."""
_WATCHED = ("input_tokens", "output_tokens", "thinking", "capabilities")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--catalogue", type=Path, default=_FILE, metavar="FILE", help="default: the project's own")
    commands = parser.add_subparsers(dest="command", metavar="refresh")
    refreshing = commands.add_parser("refresh", help="bring the catalogue up to date with the service's list")
    refreshing.add_argument("--dry-run", action="store_true", help="tell what would change, and write nothing")
    # Kept where it was not said again: a subcommand's default would undo what stands before it.
    refreshing.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    refreshing.add_argument("--catalogue", type=Path, default=argparse.SUPPRESS, metavar="FILE")
    args = parser.parse_args(argv)
    known = Catalogue.model_validate_json(args.catalogue.read_text(encoding="utf-8"))
    if args.command == "refresh":
        return _refresh(known, args.catalogue, as_json=args.json, dry_run=args.dry_run)
    if args.json:
        screen.as_json(known.model_dump(mode="json"))
    else:
        _list(known)
    return 0


def written(known: Catalogue) -> str:
    """The catalogue as its file has it: a line for each field of a model, so that differences are easy to read."""
    models = ",\n".join(_block(_fields(model)) for model in known.models)
    retired = ",\n".join(f"    {_inline(each.model_dump(mode='json', exclude_none=True))}" for each in known.retired)
    latest = ",\n".join(f"    {json.dumps(alias)}: {json.dumps(basis)}" for alias, basis in known.latest.items())
    return (
        f'{{\n  "source": {_inline(known.source)},\n  "default": {_inline(known.default)},\n'
        f'  "latest": {{\n{latest}\n  }},\n  "models": [\n{models}\n  ],\n  "retired": [\n{retired}\n  ]\n}}\n'
    )


def changes(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """What differs, a line each."""
    old, new = {each.id: each for each in before.models}, {each.id: each for each in after.models}
    successors = {each.id: each.successor for each in after.retired}
    for name in new.keys() - old.keys():
        basis = f", taken to be like {new[name].basis}" if new[name].basis else ""
        yield f"new: {name} ({new[name].label}{basis})"
    for name in old.keys() - new.keys():
        yield f"gone: {name}, use {successors[name]}"
    for name in old.keys() & new.keys():
        was, now = (_plain(each[name]) for each in (old, new))
        for field in _WATCHED:
            if was[field] != now[field]:
                yield f"changed: {name}: {field} {_inline(was[field])} → {_inline(now[field])}"
    if before.default != after.default:
        yield f"changed: the default {before.default} → {after.default}"
    for alias, basis in after.latest.items():
        if before.latest.get(alias) != basis:
            yield f"changed: {alias} is taken to be like {basis}"


def _refresh(known: Catalogue, file: Path, *, as_json: bool, dry_run: bool) -> int:
    try:
        fresh = from_models_list(json.dumps({"models": _listed()}), known)
    except ValueError as error:
        screen.complain(f"The service's list cannot be used: {error}")
        return 1
    told = sorted(changes(known, fresh))
    if not dry_run and fresh != known:
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(written(fresh), encoding="utf-8")
        draft.replace(file)
    if as_json:
        screen.as_json({"changes": told, "written": not dry_run and fresh != known})
        return 0
    for line in told:
        screen.say(screen.plain(line))
    screen.say(f"{len(fresh.models)} models" + ("" if told else ": nothing has changed"))
    return 0


def _listed() -> list[JsonValue]:
    """Every page of the service's list of models."""
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
                raise SystemExit(f"models refresh: {url} answers {answer.status_code}: {_said(answer)}")
            body = answer.json()
            models += body.get("models", [])
            if not body.get("nextPageToken"):
                return models
            page = {"pageToken": body["nextPageToken"]}


def _said(answer: httpx2.Response) -> str:
    """The service's own words; it names a suspended key in full, so that is left out."""
    try:
        status = answer.json()["error"]["status"]
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
    return str(status)


def _list(known: Catalogue) -> None:
    for model in known.models:
        notes = [
            *(["the default"] if model.id == known.default else []),
            *([f"like {model.basis}"] if model.basis else []),
            *([f"ends {model.shutdown.on}, then {model.shutdown.successor}"] if model.shutdown else []),
            *(["closed to new users"] if model.closed_to_new else []),
        ]
        note = f"  ({'; '.join(notes)})" if notes else ""
        takes = f"{', '.join(sorted(model.inputs))} → {', '.join(sorted(model.outputs))}"
        limits = f"{model.input_tokens:,} in, {model.output_tokens:,} out"
        screen.say(screen.plain(f"{model.id:48}{model.stage:14}{takes}; {limits}{note}"))
    for alias, basis in known.latest.items():
        screen.say(screen.plain(f"{alias:48}latest        like {basis}"))
    for each in known.retired:
        screen.say(screen.plain(f"{each.id:48}retired       use {each.successor}"))


def _plain(model: Model) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = model.model_dump(mode="json")
    for field in ("inputs", "outputs", "capabilities", "ignores", "refuses"):
        plain[field] = cast(JsonValue, sorted(cast(list[str], plain[field])))
    return plain


def _fields(model: Model) -> dict[str, JsonValue]:
    said = model.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in _plain(model).items() if name in _ALWAYS or name in said}


def _block(fields: dict[str, JsonValue]) -> str:
    lines = ",\n".join(f"      {json.dumps(name)}: {_inline(value)}" for name, value in fields.items())
    return f"    {{\n{lines}\n    }}"


def _inline(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)}: {_inline(each)}" for name, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
