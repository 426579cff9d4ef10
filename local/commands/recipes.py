"""`recipes`: check a recipe file, tell which recipe takes an object and why, list the recipes there are.

recipes check FILE…                     every problem with its line and field; exit 1 if there is one
recipes explain gs://bucket/name        why each recipe matches or not, and what would be asked
recipes list                            the shipped recipes, or those of a file
recipes schema                          the JSON Schema of recipe files, for editors (#:schema FILE)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import TypeAdapter, ValidationError

from local import endpoints, screen
from shared.domain import media
from shared.domain.media import Family, MediaType, kind_of_mime
from shared.domain.recipe import (
    MAX_BYTES,
    Dropped,
    Explained,
    Missing,
    Problem,
    Recipe,
    RecipeBook,
    RecipesInvalid,
    WishRefused,
    built_in,
    check,
    choose,
    explain,
    file_schema,
    fill,
    grant,
    load,
    misfits,
)
from shared.settings import Inbox

if TYPE_CHECKING:
    from shared.cloud.storage import Storage

_FAMILIES: tuple[Family, ...] = get_args(Family)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="check recipe files")
    checking.add_argument("files", nargs="+", type=Path, metavar="FILE")
    explaining = commands.add_parser("explain", help="tell which recipe takes an object, and why")
    explaining.add_argument("uri", metavar="gs://BUCKET/NAME")
    explaining.add_argument(
        "--recipes",
        metavar="FILE|gs://BUCKET/NAME",
        help="the inbox's recipe file; without it what DROPSIGHT_INBOXES says of the bucket, else the shipped recipes",
    )
    explaining.add_argument("--type", metavar="TYPE", help="do not look the object up: take it for this type or family")
    explaining.add_argument("--size", type=int, default=0, metavar="BYTES", help="with --type")
    explaining.add_argument("--meta", action="append", default=[], metavar="K=V", help="metadata, besides the object's")
    explaining.add_argument("--cloud", action="store_true", help="look the object up in Google Cloud, not locally")
    explaining.add_argument("--port-base", type=int, default=8080, help="of the local system (default 8080)")
    listing = commands.add_parser("list", help="list recipes")
    listing.add_argument("file", nargs="?", type=Path, metavar="FILE")
    commands.add_parser("schema", help="print the JSON Schema of recipe files")
    for each in (checking, explaining, listing):
        each.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    if args.command == "check":
        return _check(args.files, as_json=args.json)
    if args.command == "schema":
        screen.as_json(file_schema())
        return 0
    if args.command == "list":
        return _list(_book(args.file), as_json=args.json)
    return _explain(asyncio.run(_book_of_inbox(args)), _about(args), as_json=args.json)


def _check(files: list[Path], *, as_json: bool) -> int:
    found = {str(file): check(_text(file)) for file in files}
    if as_json:
        screen.as_json({file: [problem._asdict() for problem in problems] for file, problems in found.items()})
    else:
        for file, problems in found.items():
            for problem in problems:
                sys.stdout.write(f"{file}:{_told(problem)}\n")
            if not problems:
                screen.say(f"{screen.plain(file)}: good")
    return 1 if any(found.values()) else 0


def _told(problem: Problem) -> str:
    """`file:line: field: message`, which editors turn into a link."""
    return f"{problem.line}: " + (f"{problem.field}: " if problem.field else "") + problem.message


def _list(book: RecipeBook, *, as_json: bool) -> int:
    if as_json:
        screen.as_json(
            [recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True) for recipe in book.recipes]
        )
        return 0
    for recipe in book.recipes:
        notes = [
            *([f"needs {', '.join(recipe.needs)}"] if recipe.needs else []),
            *(["by name only"] if recipe.rule is None else []),
            *([book.origin(recipe)] if book.origin(recipe) != "built in" else []),
        ]
        takes, makes = ", ".join(recipe.takes), ", ".join(f".{ending}" for ending in recipe.outputs)
        note = f"  ({'; '.join(notes)})" if notes else ""
        screen.say(screen.plain(f"{recipe.name:26}{takes} → {makes}{note}"))
    return 0


def _explain(book: RecipeBook, about: Dropped, *, as_json: bool) -> int:
    told = explain(book.recipes, about)
    outcome, recipe, warnings = _granted(book, about)
    if as_json:
        screen.as_json(
            {
                "object": about.model_dump(mode="json"),
                "recipes": [each._asdict() for each in told],
                "recipe": recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True) if recipe else None,
                "origin": book.origin(recipe) if recipe else None,
                "warnings": warnings,
                "problem": outcome,
            }
        )
        return 0 if recipe is not None and outcome is None else 1
    for each in told:
        screen.say(_line(each))
    if recipe is not None:
        screen.say("")
        screen.say(
            screen.plain(f"{about.name} is asked about by {recipe.name} ({book.origin(recipe)}): {recipe.model}")
        )
        for asked in recipe.asked:
            screen.say(
                screen.plain(f"  {asked.name + ': ' if asked.name else ''}{_shown(asked.prompt, about, recipe)}")
            )
    for warning in warnings:
        screen.say(f"[yellow]{screen.plain(warning)}[/yellow]")
    if outcome is not None:
        screen.complain(outcome)
    return 0 if recipe is not None and outcome is None else 1


def _granted(book: RecipeBook, about: Dropped) -> tuple[str | None, Recipe | None, tuple[str, ...]]:
    """What would fail the task, the recipe with the object's wishes in it, and the task's warnings."""
    try:
        granted = grant(book.recipes, choose(book.recipes, about), about)
    except (LookupError, WishRefused) as error:
        return str(error), None, ()
    problem = next(
        (misfit.message for misfit in misfits(granted.recipe, [about.family], datetime.now(UTC).date())), None
    )
    try:
        for asked in granted.recipe.asked:
            fill(asked.prompt, about, granted.recipe.range)
        fill(granted.recipe.system or "", about, granted.recipe.range)
    except Missing as error:
        problem = problem or str(error)
    return problem, granted.recipe, granted.warnings


def _line(each: Explained) -> str:
    mark = "[green]→[/green]" if each.chosen else " "
    return f"{mark} {screen.plain(f'{each.recipe:26}{each.why}')}"


def _shown(prompt: str, about: Dropped, recipe: Recipe) -> str:
    try:
        return screen.short(" ".join(fill(prompt, about, recipe.range).split()), 200)
    except Missing:
        return screen.short(" ".join(prompt.split()), 200)


def _book(file: Path | None) -> RecipeBook:
    if file is None:
        return built_in()
    try:
        return load(_text(file), origin=str(file))
    except RecipesInvalid as invalid:
        raise SystemExit("\n".join(f"{file}:{_told(problem)}" for problem in invalid.problems)) from None


async def _book_of_inbox(args: argparse.Namespace) -> RecipeBook:
    """The recipes that are said, or that the object's inbox is configured with."""
    place = args.recipes or _configured(args.uri)
    if place is None or not place.startswith("gs://"):
        if place is None and args.cloud:
            screen.complain("the shipped recipes are taken: if the inbox has its own, name them with --recipes gs://…")
        return _book(None if place is None else Path(place))
    bucket, _, name = place.removeprefix("gs://").partition("/")
    raw = await _storage(args).read(bucket, name, length=MAX_BYTES + 1)
    if raw is None:
        raise SystemExit(f"{place} is not there")
    try:
        return load(raw.decode("utf-8-sig"), origin=place)
    except UnicodeDecodeError:
        raise SystemExit(f"{place} is not UTF-8 text") from None
    except RecipesInvalid as invalid:
        raise SystemExit("\n".join(f"{place}:{_told(problem)}" for problem in invalid.problems)) from None


def _configured(uri: str) -> str | None:
    """What this shell's DROPSIGHT_INBOXES, as the functions have it, says of an object's bucket."""
    inboxes = os.environ.get("DROPSIGHT_INBOXES")
    if not inboxes:
        return None
    try:
        inbox = TypeAdapter(dict[str, Inbox]).validate_json(inboxes).get(uri.removeprefix("gs://").partition("/")[0])
    except ValidationError as error:
        raise SystemExit(f"DROPSIGHT_INBOXES cannot be read: {error.errors()[0]['msg']}") from None
    return inbox.recipes if inbox else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SystemExit(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{file} is not UTF-8 text") from None


def _about(args: argparse.Namespace) -> Dropped:
    bucket, slash, name = args.uri.removeprefix("gs://").partition("/")
    if not args.uri.startswith("gs://") or not slash or not name:
        raise SystemExit(f"{args.uri} is no object's name: write gs://bucket/name")
    spoken = dict(_pair(word) for word in args.meta)
    if args.type is None:
        about = asyncio.run(_looked_up(_storage(args), bucket, name))
        return about.model_copy(update={"metadata": {**about.metadata, **spoken}})
    kind = kind_of_mime(args.type)
    family = kind.family if kind else next((each for each in _FAMILIES if each == args.type), None)
    if family is None:
        raise SystemExit(f"{args.type} is no type that is understood, nor one of {', '.join(_FAMILIES)}")
    mime = kind.mime if kind else ""
    return Dropped(bucket=bucket, name=name, size=args.size, family=family, mime=mime, metadata=spoken)


def _storage(args: argparse.Namespace) -> Storage:
    # Google's client takes a second to import, which most of these commands do without.
    from shared.cloud.storage import Storage

    if not args.cloud:
        os.environ.update(endpoints.read(args.port_base).environment())
    return Storage(os.environ.get("GOOGLE_CLOUD_PROJECT", "none"), threads=1)


async def _looked_up(storage: Storage, bucket: str, name: str) -> Dropped:
    found = await storage.stat(bucket, name)
    if found is None:
        raise SystemExit(f"gs://{bucket}/{name} is not there")
    head = await storage.read(bucket, name, generation=found.generation, length=media.HEAD) or b""
    kind = media.sniff(head, name, found.content_type)
    if not isinstance(kind, MediaType):
        raise SystemExit(kind.message)
    return Dropped(
        bucket=bucket,
        name=name,
        size=found.size,
        family=kind.family,
        mime=kind.mime,
        created_at=found.created_at,
        metadata=found.metadata,
    )


def _pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator:
        raise SystemExit(f"--meta takes KEY=VALUE, not {word!r}")
    return name, value
