"""Chooses the system that a command talks to: the local one, or a deployed one.

`--api URL` or DROPSIGHT_API chooses a deployed system, with its key in DROPSIGHT_API_KEY. DROPSIGHT_INBOX names the
bucket for dropped files, which is reached with Google's default credentials, or at STORAGE_EMULATOR_HOST.
"""

from __future__ import annotations

import argparse
import os
from typing import NamedTuple
from urllib.parse import urlsplit

from local import endpoints
from local.endpoints import Endpoints

_PORT_BASE = 8080


class Target(NamedTuple):
    """An API with a key for it, and the inbox for its files."""

    api: str
    api_key: str
    inbox: str | None
    """The bucket, or None if no variable names it."""
    storage: str | None
    """The stand-in's URL; None means Cloud Storage with Google's default credentials."""
    remote: bool
    """Whether the system is deployed: its events take seconds, and its key has a limit of requests per minute."""

    @classmethod
    def of_local_system(cls, system: Endpoints) -> Target:
        return cls(system.api, system.api_key, system.inbox, system.storage, remote=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        metavar="URL",
        help="a deployed system's API, with its key in DROPSIGHT_API_KEY (default: DROPSIGHT_API)",
    )
    parser.add_argument(
        "--port-base",
        type=int,
        help=f"port base of the local system (default {_PORT_BASE}, unless DROPSIGHT_API is set)",
    )


def choose_target(args: argparse.Namespace) -> Target:
    """Return the system that the arguments name, else the environment, else the local one; exit if there is none."""
    if args.api and args.port_base is not None:
        raise SystemExit("--api and --port-base name two systems: give one of them")
    url = args.api or (os.environ.get("DROPSIGHT_API") if args.port_base is None else None)
    if not url:
        return Target.of_local_system(
            endpoints.read_endpoints(_PORT_BASE if args.port_base is None else args.port_base)
        )
    key = os.environ.get("DROPSIGHT_API_KEY")
    if not key:
        raise SystemExit(f"set DROPSIGHT_API_KEY to an API key of {url}")
    loopback = _is_loopback(url)
    inbox, storage = os.environ.get("DROPSIGHT_INBOX"), os.environ.get("STORAGE_EMULATOR_HOST")
    return Target(url.rstrip("/"), key, inbox or None, storage or None, remote=not loopback)


def require_local_system(port_base: int | None, instead: str) -> Endpoints:
    """Return the local system, for a command that cannot talk to a deployed one; exit if DROPSIGHT_API names one.

    `instead` says in the error what to do for a deployed system.
    """
    url = os.environ.get("DROPSIGHT_API")
    if port_base is None and url and not _is_loopback(url):
        raise SystemExit(f"DROPSIGHT_API names a deployed system, {url}: {instead}")
    return endpoints.read_endpoints(_PORT_BASE if port_base is None else port_base)


def _is_loopback(url: str) -> bool:
    """Whether the URL is of this machine. Exits if the key would be sent unencrypted over the network."""
    split = urlsplit(url)
    loopback = split.hostname in ("127.0.0.1", "::1", "localhost")
    if split.scheme not in ("http", "https") or not split.hostname:
        raise SystemExit(f"{url} is no address of an API: write https://…")
    if split.scheme == "http" and not loopback:
        raise SystemExit(f"{url}: a key is sent over https only")
    return loopback
