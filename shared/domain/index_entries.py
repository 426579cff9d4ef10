"""The index of finished files: what an object has in it, who may read it, and when it is written anew.

An index is a Gemini File Search store. An object's entry is its answer and, where the service takes it, the file
itself, as documents of the store. The documents carry hashes of the places under which a task is listed, and a
question names those that its key may see: no name of an owner or folder gets into the filter's syntax.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.domain.tasks.task import Frozen, GeminiFile, Source, Task, folder_of

INDEX_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
MOST_FAILURES = 3
"""How often a file's import may end with an error of the service, each of which is paid for, before it is left out."""
SHORTEST_REST, LONGEST_REST = timedelta(minutes=8), timedelta(minutes=58)
"""Between two checks of an object: a bit less than the time between two sweeps, and than an hour."""
LARGEST_FILE = 100 << 20
"""Bytes of a file that File Search takes (its guide, "Rate limits")."""
_SEARCHABLE = re.compile(r"text/.+|application/(pdf|json|xml)")
"""Of what is uploaded for the model. Audio and video are not taken, pictures only with a multimodal embedding model."""

Step = Literal["add", "done", "superseded", "busy"]


class Entry(Frozen):
    """What one object has in one index."""

    index: str
    store: str
    """`fileSearchStores/ID`."""
    object: str
    """`gs://bucket/name`."""
    generation: int
    task: str
    places: tuple[str, ...]
    """The task's `visible_to`."""
    documents: tuple[str, ...] = ()
    holder: str = ""
    """Who is adding the documents; empty once all are there."""
    tokens: int = 0
    """An estimate of what was charged for in all tries; while the entry is held, with all that this try may cost. So it
    is counted by the task's commit, whichever instance dies."""
    failures: int = 0
    """How often the service could not take the task's file."""
    held_until: datetime | None = None
    added_at: datetime
    """When the object was known to be there."""
    check_at: datetime
    """When it is looked for next."""

    @property
    def key(self) -> str:
        return entry_key(self.index, self.object)

    def is_held(self, now: datetime) -> bool:
        """Return whether an instance is adding documents. One that died leaves its holder behind, past its time."""
        return bool(self.holder) and self.held_until is not None and self.held_until > now


class Places(NamedTuple):
    """What a caller may see."""

    exact: tuple[str, ...]
    """Values of `Task.visible_to`, each of which covers nothing else."""
    left_out: tuple[str, ...] = ()
    """Sources that are no folder: no value covers them and nothing else."""


def entry_key(index: str, uri: str) -> str:
    return _hash(f"{index}\0{uri}")


def next_check(added_at: datetime, now: datetime) -> datetime:
    """Return when to look again for an object that is there: what is old is deleted more rarely."""
    return now + min(max((now - added_at) / 2, SHORTEST_REST), LONGEST_REST)


def next_step(before: Entry | None, task: str, generation: int, now: datetime) -> Step:
    """Return what is left to do for a task, given what its object has in the index."""
    if before is None:
        return "add"
    if before.is_held(now):
        return "busy"
    if before.generation > generation:
        return "superseded"
    settled = not before.holder and (before.task, before.generation) == (task, generation)
    return "done" if settled else "add"


def is_indexed(task: Task) -> bool:
    """Return whether the answer of a dropped object belongs into an index: not that of a key's rerun.

    A rerun answers its key alone, and would take the place of the answer that all readers of the inbox find.
    """
    is_dropped = task.source.kind == "object" and task.owner == f"inbox:{task.source.bucket}"
    return is_dropped and task.ran is not None and bool(task.ran.snapshot.get("index"))


def searchable_files(files: Iterable[GeminiFile], source: Source) -> list[GeminiFile]:
    """Return the uploads of the object itself, without files that were sent along, that File Search takes."""
    identity = re.escape(f"{source.uri}#{source.generation}")
    own = re.compile(rf"{identity}(#\d+)?")
    return [file for file in files if own.fullmatch(file.source) and _SEARCHABLE.fullmatch(file.mime_type)]


def metadata_of(entry: Entry) -> dict[str, str]:
    """Return the custom metadata of the entry's documents: 20 at most, which is the service's limit."""
    return {"entry": entry.key, "task": entry.task, **{_field(place): _hash(place) for place in entry.places}}


def metadata_filter(places: Iterable[str]) -> str:
    """Return the filter that lets pass what lies under one of `places` (google.aip.dev/160)."""
    return " OR ".join(f'{_field(place)} = "{_hash(place)}"' for place in places)


def passes(metadata: Mapping[str, str], places: Iterable[str]) -> bool:
    """Return whether a document with this metadata lies under one of `places`: what the filter is to ensure."""
    return any(metadata.get(_field(place)) == _hash(place) for place in places)


def readable_places(owner: str, sources: Iterable[str]) -> Places:
    """Return what a task of `owner` may be answered from: its own files, and those under its sources."""
    inexact = [source for source in sources if source.startswith("gs://") and folder_of(source) != source]
    exact = [source for source in sources if source not in inexact]
    return Places(tuple(dict.fromkeys((owner, *exact))), tuple(inexact))


def _field(place: str) -> str:
    """Return the metadata's name for an owner, or for a folder at this depth."""
    return f"folder{place.count('/') - 3}" if place.startswith("gs://") else "owner"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
