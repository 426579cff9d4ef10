"""Which system a command talks to: the local one that runs, or a deployed one.

A deployed system is chosen by `--api URL`, or by DROPSIGHT_API, each with DROPSIGHT_API_KEY. DROPSIGHT_INBOX names the
bucket that `drop` puts files into; it is reached with Google's default credentials, or at STORAGE_EMULATOR_HOST.
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
    """An API with a key for it, and where its files go in."""

    api: str
    api_key: str
    inbox: str | None
    """Bucket; None where nobody has named one."""
    storage: str | None
    """URL of a stand-in; None for Cloud Storage with Google's default credentials."""
    remote: bool
    """Whether it is a deployed system: events take seconds there, and requests are limited by the minute."""

    @classmethod
    def local(cls, found: Endpoints) -> Target:
        return cls(found.api, found.api_key, found.inbox, found.storage, remote=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        metavar="URL",
        help="a deployed system's API, with its key in DROPSIGHT_API_KEY (default: DROPSIGHT_API)",
    )
    parser.add_argument(
        "--port-base",
        type=int,
        help=f"of the local system that runs (default {_PORT_BASE}, unless DROPSIGHT_API is set)",
    )


def chosen(args: argparse.Namespace) -> Target:
    """Return the system that the arguments name, else the environment, else the local one; exit where there is none."""
    if args.api and args.port_base is not None:
        raise SystemExit("--api and --port-base name two systems: give one of them")
    url = args.api or (os.environ.get("DROPSIGHT_API") if args.port_base is None else None)
    if not url:
        return Target.local(endpoints.read(_PORT_BASE if args.port_base is None else args.port_base))
    key = os.environ.get("DROPSIGHT_API_KEY")
    if not key:
        raise SystemExit(f"set DROPSIGHT_API_KEY to an API key of {url}")
    loopback = _checked(url)
    inbox, storage = os.environ.get("DROPSIGHT_INBOX"), os.environ.get("STORAGE_EMULATOR_HOST")
    return Target(url.rstrip("/"), key, inbox or None, storage or None, remote=not loopback)


def local_only(port_base: int | None, instead: str) -> Endpoints:
    """Return the local system, for a command that cannot talk to a deployed one; exit where one is chosen."""
    url = os.environ.get("DROPSIGHT_API")
    if port_base is None and url and not _checked(url):
        raise SystemExit(f"DROPSIGHT_API names a deployed system, {url}: {instead}")
    return endpoints.read(_PORT_BASE if port_base is None else port_base)


def _checked(url: str) -> bool:
    """Whether a URL is of this machine. Exits where a key would cross the network in the clear."""
    split = urlsplit(url)
    loopback = split.hostname in ("127.0.0.1", "::1", "localhost")
    if split.scheme not in ("http", "https") or not split.hostname:
        raise SystemExit(f"{url} is no address of an API: write https://…")
    if split.scheme == "http" and not loopback:
        raise SystemExit(f"{url}: a key is sent over https only")
    return loopback
