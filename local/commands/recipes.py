"""Check recipe files, list recipes, or explain which recipe takes an object.

recipes check FILE…                     print every problem with its line and field; exit 1 if there is one
recipes explain gs://bucket/name        print why each recipe matches or not, and what would be asked
recipes list                            list the built-in recipes, or those of a file
recipes schema                          print the JSON Schema of recipe files, for editors (#:schema FILE)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from local import endpoints, screen
from local.commands.drop import parse_metadata
from shared.domain import media
from shared.domain.errors import PermanentFailure
from shared.domain.media import Family, MediaType, kind_of_mime
from shared.domain.recipe.book import (
    MAX_BYTES,
    RecipeBook,
    RecipeProblem,
    RecipesInvalid,
    built_in,
    check,
    file_schema,
    load,
)
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import misfits
from shared.domain.recipe.making import DESCRIPTIONS
from shared.domain.recipe.matching import Dropped, Explained, choose, explain
from shared.domain.recipe.object_metadata import apply_metadata
from shared.domain.recipe.placeholders import Missing, fill
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
    explaining = commands.add_parser("explain", help="explain which recipe takes an object")
    explaining.add_argument("uri", metavar="gs://BUCKET/NAME")
    explaining.add_argument(
        "--recipes",
        metavar="FILE|gs://BUCKET/NAME",
        help="the inbox's recipe file (default: the one in DROPSIGHT_INBOXES, else the built-in recipes)",
    )
    explaining.add_argument(
        "--type", metavar="TYPE", help="take the object for this type or family, and do not look it up"
    )
    explaining.add_argument("--size", type=int, default=0, metavar="BYTES", help="the object's size, with --type")
    explaining.add_argument(
        "--meta", action="append", default=[], metavar="K=V", help="metadata besides the object's; may be repeated"
    )
    explaining.add_argument(
        "--cloud", action="store_true", help="look the object up in Google Cloud, not in the local system"
    )
    explaining.add_argument("--port-base", type=int, default=8080, help="port base of the local system (default 8080)")
    listing = commands.add_parser("list", help="list recipes")
    listing.add_argument("file", nargs="?", type=Path, metavar="FILE")
    commands.add_parser("schema", help="print the JSON Schema of recipe files")
    for command in (checking, explaining, listing):
        command.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    if args.command == "check":
        return _check_files(args.files, as_json=args.json)
    if args.command == "schema":
        screen.print_json(file_schema())
        return 0
    if args.command == "list":
        return _list_recipes(_load_book(args.file), as_json=args.json)
    return _explain_choice(asyncio.run(_load_book_of_inbox(args)), _describe_object(args), as_json=args.json)


def _check_files(files: list[Path], *, as_json: bool) -> int:
    problems_of = {str(file): check(_read_text(file)) for file in files}
    if as_json:
        screen.print_json({file: [problem._asdict() for problem in problems] for file, problems in problems_of.items()})
    else:
        for file, problems in problems_of.items():
            for problem in problems:
                sys.stdout.write(f"{file}:{_format_problem(problem)}\n")
            if not problems:
                screen.print_line(f"{escape(file)}: good")
    return 1 if any(problems_of.values()) else 0


def _format_problem(problem: RecipeProblem) -> str:
    """Return `line: field: message`, which editors turn into a link after the file's name."""
    return f"{problem.line}: " + (f"{problem.field}: " if problem.field else "") + problem.message


def _list_recipes(book: RecipeBook, *, as_json: bool) -> int:
    if as_json:
        screen.print_json(
            [recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True) for recipe in book.recipes]
        )
        return 0
    for recipe in book.recipes:
        notes = [
            *([DESCRIPTIONS[recipe.makes]] if recipe.makes else []),
            *([f"needs {', '.join(recipe.needs)}"] if recipe.needs else []),
            *(["by name only"] if recipe.rule is None else []),
            *([book.origin(recipe)] if book.origin(recipe) != "built in" else []),
        ]
        takes, makes = ", ".join(recipe.takes), ", ".join(f".{ending}" for ending in recipe.outputs)
        note = f"  ({'; '.join(notes)})" if notes else ""
        screen.print_plain(f"{recipe.name:26}{takes} → {makes}{note}")
    return 0


def _explain_choice(book: RecipeBook, dropped: Dropped, *, as_json: bool) -> int:
    explained = explain(book.recipes, dropped)
    problem, recipe, warnings = _apply_metadata(book, dropped)
    status = 0 if recipe is not None and problem is None else 1
    if as_json:
        screen.print_json(
            {
                "object": dropped.model_dump(mode="json"),
                "recipes": [entry._asdict() for entry in explained],
                "recipe": recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True) if recipe else None,
                "origin": book.origin(recipe) if recipe else None,
                "warnings": warnings,
                "problem": problem,
            }
        )
        return status
    for entry in explained:
        screen.print_line(_format_explained(entry))
    if recipe is not None:
        screen.print_line("")
        screen.print_plain(f"{dropped.name} is asked about by {recipe.name} ({book.origin(recipe)}): {recipe.model}")
        for question in recipe.questions:
            screen.print_plain(
                f"  {question.name + ': ' if question.name else ''}{_preview_prompt(question.prompt, dropped, recipe)}"
            )
    for warning in warnings:
        screen.print_line(f"[yellow]{escape(warning)}[/yellow]")
    if problem is not None:
        screen.print_error(problem)
    return status


def _apply_metadata(book: RecipeBook, dropped: Dropped) -> tuple[str | None, Recipe | None, tuple[str, ...]]:
    """Return what would fail the task, the recipe with the object's metadata applied, and the task's warnings."""
    try:
        granted = apply_metadata(book.recipes, choose(book.recipes, dropped), dropped)
    except PermanentFailure as error:
        return str(error), None, ()
    problem = next(
        (misfit.message for misfit in misfits(granted.recipe, [dropped.family], datetime.now(UTC).date())), None
    )
    try:
        for question in granted.recipe.questions:
            fill(question.prompt, dropped, granted.recipe.range)
        fill(granted.recipe.system or "", dropped, granted.recipe.range)
    except Missing as error:
        problem = problem or str(error)
    return problem, granted.recipe, granted.warnings


def _format_explained(entry: Explained) -> str:
    mark = "[green]→[/green]" if entry.chosen else " "
    return f"{mark} {escape(f'{entry.recipe:26}{entry.why}')}"


def _preview_prompt(prompt: str, dropped: Dropped, recipe: Recipe) -> str:
    try:
        return screen.truncate(" ".join(fill(prompt, dropped, recipe.range).split()), 200)
    except Missing:
        return screen.truncate(" ".join(prompt.split()), 200)


def _load_book(file: Path | None) -> RecipeBook:
    if file is None:
        return built_in()
    try:
        return load(_read_text(file), origin=str(file))
    except RecipesInvalid as invalid:
        raise SystemExit("\n".join(f"{file}:{_format_problem(problem)}" for problem in invalid.problems)) from None


async def _load_book_of_inbox(args: argparse.Namespace) -> RecipeBook:
    """Return the recipes that `--recipes` names, else those that the object's inbox is configured with."""
    place = args.recipes or _configured_recipes(args.uri)
    if place is None or not place.startswith("gs://"):
        if place is None and args.cloud:
            screen.print_error(
                "the shipped recipes are taken: if the inbox has its own, name them with --recipes gs://…"
            )
        return _load_book(None if place is None else Path(place))
    bucket, _, name = place.removeprefix("gs://").partition("/")
    async with aclosing(_storage(args)) as storage:
        raw = await storage.read(bucket, name, length=MAX_BYTES + 1)
    if raw is None:
        raise SystemExit(f"{place} is not there")
    try:
        return load(raw.decode("utf-8-sig"), origin=place)
    except UnicodeDecodeError:
        raise SystemExit(f"{place} is not UTF-8 text") from None
    except RecipesInvalid as invalid:
        raise SystemExit("\n".join(f"{place}:{_format_problem(problem)}" for problem in invalid.problems)) from None


def _configured_recipes(uri: str) -> str | None:
    """Return the recipe file of an object's inbox, as DROPSIGHT_INBOXES of this shell names it; None if it does not."""
    inboxes = os.environ.get("DROPSIGHT_INBOXES")
    if not inboxes:
        return None
    try:
        inbox = TypeAdapter(dict[str, Inbox]).validate_json(inboxes).get(uri.removeprefix("gs://").partition("/")[0])
    except ValidationError as error:
        raise SystemExit(f"DROPSIGHT_INBOXES cannot be read: {error.errors()[0]['msg']}") from None
    return inbox.recipes if inbox else None


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SystemExit(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{file} is not UTF-8 text") from None


def _describe_object(args: argparse.Namespace) -> Dropped:
    bucket, slash, name = args.uri.removeprefix("gs://").partition("/")
    if not args.uri.startswith("gs://") or not slash or not name:
        raise SystemExit(f"{args.uri} is no object's name: write gs://bucket/name")
    metadata = parse_metadata(args.meta)
    if args.type is None:
        dropped = asyncio.run(_inspect_object(args, bucket, name))
        return dropped.model_copy(update={"metadata": {**dropped.metadata, **metadata}})
    kind = kind_of_mime(args.type)
    family = kind.family if kind else next((family for family in _FAMILIES if family == args.type), None)
    if family is None:
        raise SystemExit(f"{args.type} is no type that is understood, nor one of {', '.join(_FAMILIES)}")
    mime = kind.mime if kind else ""
    return Dropped(bucket=bucket, name=name, size=args.size, family=family, mime=mime, metadata=metadata)


def _storage(args: argparse.Namespace) -> Storage:
    # Imported here, since it takes a second and most of these commands do not need it.
    from shared.cloud.storage import Storage

    if not args.cloud:
        os.environ.update(endpoints.read_endpoints(args.port_base).environment())
    return Storage(os.environ.get("GOOGLE_CLOUD_PROJECT", "none"), threads=1)


async def _inspect_object(args: argparse.Namespace, bucket: str, name: str) -> Dropped:
    async with aclosing(_storage(args)) as storage:
        stat = await storage.stat(bucket, name)
        if stat is None:
            raise SystemExit(f"gs://{bucket}/{name} is not there")
        head = await storage.read(bucket, name, generation=stat.generation, length=media.HEAD) or b""
    kind = media.sniff(head, name, stat.content_type)
    if not isinstance(kind, MediaType):
        raise SystemExit(kind.message)
    return Dropped(
        bucket=bucket,
        name=name,
        size=stat.size,
        family=kind.family,
        mime=kind.mime,
        created_at=stat.created_at,
        metadata=stat.metadata,
    )
