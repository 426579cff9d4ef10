"""Listing objects: prefix, delimiter, offsets, globs, versions, pages."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field

from local.standins.storage.errors import invalid
from local.standins.storage.glob import Glob
from local.standins.storage.records import ObjectVersion
from local.standins.storage.request import ApiRequest
from local.standins.storage.store import Store

_LAST = "\U0010ffff"
_BATCH = 1000


@dataclass(frozen=True)
class Listing:
    """The parameters of a listing."""

    prefix: str
    delimiter: str
    start: str
    end: str | None
    glob: Glob | None
    versions: bool
    trailing: bool
    """Whether an object whose name ends in the delimiter is listed as an item too, not only as a prefix."""
    limit: int
    after: tuple[str, int]
    """The name and generation to begin with, from the page token."""

    @classmethod
    def of(cls, request: ApiRequest) -> Listing:
        query, prefix = request.query, request.query.get("prefix", "")
        glob = query.get("matchGlob")
        if glob and query.get("delimiter", "/") != "/":
            raise invalid("matchGlob can only be combined with the delimiter '/'.")
        ends = [end for end in (query.get("endOffset"), _following(prefix)) if end]
        return cls(
            prefix,
            query.get("delimiter", ""),
            max(query.get("startOffset", "").encode(), prefix.encode()).decode(),
            min(ends, key=str.encode) if ends else None,
            Glob(glob) if glob else None,
            request.flag("versions"),
            request.flag("includeTrailingDelimiter"),
            request.page_size(),
            _from_token(query.get("pageToken")),
        )


@dataclass
class Page:
    items: list[ObjectVersion] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    token: str | None = None


def list_objects(store: Store, bucket: str, listing: Listing) -> Page:
    """Return one page. Names below a prefix that is already listed are skipped, not read."""
    page = Page()
    position = max((listing.start, 0), listing.after, key=lambda start: (start[0].encode(), start[1]))
    while True:
        batch = store.objects(bucket, *position, listing.end, listing.versions, _BATCH)
        skipped = False
        for version in batch:
            if listing.glob and not listing.glob.fullmatch(version.name):
                continue
            below = _prefix_of(version.name, listing)
            if below is not None and below in page.prefixes:
                continue
            if len(page.items) + len(page.prefixes) >= listing.limit:
                page.token = _token(version.name, version.generation)
                return page
            if below is None:
                page.items.append(version)
                continue
            page.prefixes.append(below)
            if listing.trailing and version.name == below:
                page.items.append(version)
            if not listing.trailing and not listing.glob and len(batch) == _BATCH:
                position, skipped = (below + _LAST * 2, 0), True
                break
        if not skipped:
            if len(batch) < _BATCH:
                return page
            position = (batch[-1].name, batch[-1].generation + 1)


def _prefix_of(name: str, listing: Listing) -> str | None:
    if not listing.delimiter:
        return None
    at = name.find(listing.delimiter, len(listing.prefix))
    return None if at < 0 else name[: at + len(listing.delimiter)]


def _following(prefix: str) -> str | None:
    """Return the least name behind all names with this prefix, or None without a prefix."""
    return prefix + _LAST * 2 if prefix else None


def _token(name: str, generation: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, generation]).encode()).decode()


def _from_token(token: str | None) -> tuple[str, int]:
    if not token:
        return "", 0
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
        return str(name), int(generation)
    except (ValueError, TypeError, binascii.Error):
        raise invalid("Invalid page token.") from None
