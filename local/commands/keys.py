"""`keys`: make, list, rotate and revoke API keys of the local system, or with --project of a deployed one.

A deployed system's keys are written with Google's default credentials. A secret is shown once, when it is made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import ValidationError

from local import endpoints, target
from shared.clock import Clock
from shared.cloud.keys import Keys, new_secret
from shared.domain.tasks.access import DEFAULT_SCOPES, SCOPES, Key
from shared.domain.tasks.key_rules import id_of_name, state_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
Print = Callable[[str], object]


def main(argv: list[str]) -> int:
    place = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    place.add_argument("--port-base", type=int, help="of the local system that runs (default 8080)")
    place.add_argument("--project", help="of a deployed system")
    place.add_argument("--database", default="(default)", help="with --project: its Firestore database")
    parser = argparse.ArgumentParser(prog="dropsight keys", description=__doc__, parents=[place])
    add_arguments(parser)
    # Taken before or behind the action's word, as every other command takes it.
    where, words = place.parse_known_args(argv)
    return asyncio.run(_run(parser.parse_args(words), where))


async def _run(args: argparse.Namespace, where: argparse.Namespace) -> int:
    local = None
    if where.project is None:
        local = target.require_local_system(where.port_base, "name its --project and --database")
        os.environ["FIRESTORE_EMULATOR_HOST"] = local.firestore
    from google.cloud import firestore

    clock = Clock()
    client = firestore.AsyncClient(project=where.project or endpoints.PROJECT, database=where.database)
    readable = (f"gs://{local.inbox}/",) if local else await read_readable_sources(client)
    return await run(args, Keys(client, clock), clock, readable=readable)


async def read_readable_sources(client: AsyncClient) -> tuple[str, ...] | None:
    """Return the prefixes that generate may read, as Terraform wrote them down; None if it did not."""
    document = await client.collection("deployment").document("current").get()
    stored = document.to_dict() if document.exists else None
    return tuple(stored["sources"]) if stored else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and show its secret, once")
    create.add_argument("--name", required=True, help="whose it is, for people")
    create.add_argument("--id", help="names the key in logs and owners (default: made from the name)")
    create.add_argument("--scope", action="append", choices=SCOPES, help="may be repeated (default: submit and read)")
    create.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="PREFIX",
        help="gs://bucket/ or gs://bucket/folder/ whose tasks it sees and whose objects it may name, or "
        "manifests:FOLDER; may be repeated",
    )
    create.add_argument("--expires-in", type=_duration, metavar="DURATION", help="for example 90d (default: never)")
    create.add_argument("--rate", type=int, default=600, metavar="N", help="requests a minute (default: 600)")
    create.add_argument("--daily-tasks", type=int, metavar="N", help="tasks a day (default: no limit)")
    create.add_argument(
        "--daily-budget", type=Decimal, metavar="DOLLARS", help="US dollars a day (default: what the deployment sets)"
    )
    listing = actions.add_parser("list", help="show all keys, never their secrets")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    revoke = actions.add_parser("revoke", help="end a key, within half a minute everywhere")
    revoke.add_argument("id")
    rotate = actions.add_parser("rotate", help="make a new secret for a key; the old one goes on for a while")
    rotate.add_argument("id")
    rotate.add_argument(
        "--overlap", type=_duration, default=86_400, metavar="DURATION", help="how long the old one works (default: 1d)"
    )


async def run(
    arguments: argparse.Namespace,
    keys: Keys,
    clock: Clock,
    print_line: Print = print,
    *,
    readable: tuple[str, ...] | None = None,
) -> int:
    """The exit status: 1 where what was asked for is not there or not possible.

    `readable`: the prefixes that generate may read, or None if they are not known.
    """
    match arguments.action:
        case "create":
            if refusal := unreadable_sources(arguments.source, readable):
                print_line(refusal)
                return 1
            return await _create(arguments, keys, clock.now(), print_line)
        case "list":
            return await _list(arguments, keys, clock.now(), print_line)
        case "revoke":
            return await _revoke(arguments.id, keys, print_line)
        case _:
            return await _rotate(arguments, keys, clock.now(), print_line)


def unreadable_sources(sources: Sequence[str], readable: tuple[str, ...] | None) -> str | None:
    """Return a sentence about the sources whose objects generate could not read; None if there is none."""
    if readable is None:
        return None
    beyond = [source for source in sources if source.startswith("gs://") and not source.startswith(readable)]
    if not beyond:
        return None
    return (
        f"generate may not read {', '.join(beyond)}: a request that names an object there would fail. It may read "
        f"{', '.join(readable)}. In a deployed system, add others to api.key_sources in terraform.tfvars and apply."
    )


async def _create(arguments: argparse.Namespace, keys: Keys, now: datetime, print_line: Print) -> int:
    try:
        key = Key(
            id=arguments.id or id_of_name(arguments.name, secrets.token_hex(3)),
            name=arguments.name,
            scopes=tuple(arguments.scope or DEFAULT_SCOPES),
            sources=tuple(arguments.source),
            created_at=now,
            expires_at=now + timedelta(seconds=arguments.expires_in) if arguments.expires_in else None,
            requests_per_minute=arguments.rate,
            daily_tasks=arguments.daily_tasks,
            daily_budget=arguments.daily_budget,
        )
    except ValidationError as error:
        for flaw in error.errors(include_url=False):
            print_line(f"{flaw['loc'][0]}: {flaw['msg'].removeprefix('Value error, ')}")
        return 1
    if any(existing.id == key.id for existing in await keys.listing()):
        print_line(f"There is a key {key.id} already. Give another --id, or rotate it.")
        return 1
    secret = new_secret()
    await keys.store(secret, key)
    print_line(f"Key {key.id} ({key.name}). Its secret, shown only now:")
    print_line(secret)
    return 0


async def _list(arguments: argparse.Namespace, keys: Keys, now: datetime, print_line: Print) -> int:
    for key in await keys.listing():
        if arguments.json:
            print_line(json.dumps({**key.model_dump(mode="json"), "state": state_of(key, now)}))
        else:
            until = f" until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else ""
            limits = f"{key.requests_per_minute}/min" + (f", {key.daily_tasks}/day" if key.daily_tasks else "")
            limits += f", {key.daily_budget:f} US dollars a day" if key.daily_budget is not None else ""
            sees = ", ".join(key.sources) or "its own tasks"
            print_line(
                f"{key.id:<24} {state_of(key, now):<8}{until} {'+'.join(key.scopes)} {limits} {sees}  {key.name}"
            )
    return 0


async def _revoke(key_id: str, keys: Keys, print_line: Print) -> int:
    ended = await keys.revoke(key_id)
    print_line(f"{ended} secret{'s' * (ended != 1)} of {key_id} revoked." if ended else f"There is no key {key_id}.")
    return 0 if ended else 1


async def _rotate(arguments: argparse.Namespace, keys: Keys, now: datetime, print_line: Print) -> int:
    active = [key for key in await keys.listing() if key.id == arguments.id and state_of(key, now) == "active"]
    if not active:
        print_line(f"There is no active key {arguments.id}.")
        return 1
    ends = now + timedelta(seconds=arguments.overlap)
    secret = await keys.rotate(active[-1], now, old_ones_until=ends)
    print_line(f"A new secret for {arguments.id}, shown only now; the old one works until {ends:%Y-%m-%d %H:%M} UTC:")
    print_line(secret)
    return 0


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write for example 12h or 90d")
    return float(int(match[1]) * _UNITS[match[2]])
