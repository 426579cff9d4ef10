"""The index of finished files: an object's entry, who may read it, and when it is written again.

An index is a Gemini File Search store. An object's entry is its answer and, if the service accepts it, the file itself,
as documents of the store. The documents' metadata has hashes of the places under which the task is listed, and a
question filters by the hashes of the places that its key may see. Hashes keep the names of owners and folders out of
the filter's syntax.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.domain.tasks.task import Frozen, GeminiFile, Source, Task, folder_of

INDEX_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
MAX_FAILURES = 3
"""How often the service may fail to import a file before the file is left out. Each failed import is billed."""
SHORTEST_REST, LONGEST_REST = timedelta(minutes=8), timedelta(minutes=58)
"""Time between two checks of an object: a little less than the interval of sweeps, and a little less than an hour."""
LARGEST_FILE = 100 << 20
"""The most bytes of a file in File Search (its guide, "Rate limits")."""
_SEARCHABLE = re.compile(r"text/.+|application/(pdf|json|xml)")
"""MIME types of uploads that File Search accepts. Pictures need a multimodal embedding model; audio and video are not
accepted."""

Step = Literal["add", "done", "superseded", "busy"]


class Entry(Frozen):
    """An object's entry in an index."""

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
    """The instance that is adding the documents; empty once all have been added."""
    tokens: int = 0
    """An estimate of the billed tokens of all tries; while the entry is held, it includes the most that this try may
    use. So the task's commit counts them even if an instance dies."""
    failures: int = 0
    """How often the service failed to import the task's file."""
    held_until: datetime | None = None
    added_at: datetime
    """When the object was known to exist."""
    check_at: datetime
    """When to check next whether the object exists."""

    @property
    def key(self) -> str:
        return entry_key(self.index, self.object)

    def is_held(self, now: datetime) -> bool:
        """Return whether an instance is adding documents. If it died, `holder` stays set after `held_until`."""
        return bool(self.holder) and self.held_until is not None and self.held_until > now


class Places(NamedTuple):
    """The places that a caller may see."""

    exact: tuple[str, ...]
    """Places that occur in `Task.visible_to` and cover exactly what the caller may see."""
    left_out: tuple[str, ...] = ()
    """Sources that are not whole folders: no value of `Task.visible_to` covers exactly one of them."""


def entry_key(index: str, uri: str) -> str:
    return _hash(f"{index}\0{uri}")


def next_check(added_at: datetime, now: datetime) -> datetime:
    """Return when to check an existing object again. Older objects are checked less often: they are seldom deleted."""
    return now + min(max((now - added_at) / 2, SHORTEST_REST), LONGEST_REST)


def next_step(before: Entry | None, task: str, generation: int, now: datetime) -> Step:
    """Return what is left to do for a task, given its object's entry in the index."""
    if before is None:
        return "add"
    if before.is_held(now):
        return "busy"
    if before.generation > generation:
        return "superseded"
    settled = not before.holder and (before.task, before.generation) == (task, generation)
    return "done" if settled else "add"


def is_indexed(task: Task) -> bool:
    """Return whether the task's answer is added to an index: it must answer a dropped object, and not be a key's rerun.

    A rerun answers its key alone, and would replace the answer that all readers of the inbox find.
    """
    is_dropped = task.source.kind == "object" and task.owner == f"inbox:{task.source.bucket}"
    return is_dropped and task.ran is not None and bool(task.ran.snapshot.get("index"))


def searchable_files(files: Iterable[GeminiFile], source: Source) -> list[GeminiFile]:
    """Return the uploads of the object itself that File Search accepts, without files that were sent along."""
    identity = re.escape(f"{source.uri}#{source.generation}")
    own = re.compile(rf"{identity}(#\d+)?")
    return [file for file in files if own.fullmatch(file.source) and _SEARCHABLE.fullmatch(file.mime_type)]


def metadata_of(entry: Entry) -> dict[str, str]:
    """Return the custom metadata of the entry's documents: at most 20 values, the service's limit."""
    return {"entry": entry.key, "task": entry.task, **{_field(place): _hash(place) for place in entry.places}}


def metadata_filter(places: Iterable[str]) -> str:
    """Return the filter for documents that lie under one of `places` (google.aip.dev/160)."""
    return " OR ".join(f'{_field(place)} = "{_hash(place)}"' for place in places)


def passes(metadata: Mapping[str, str], places: Iterable[str]) -> bool:
    """Return whether a document with this metadata lies under one of `places`, as the filter should ensure."""
    return any(metadata.get(_field(place)) == _hash(place) for place in places)


def readable_places(owner: str, sources: Iterable[str]) -> Places:
    """Return the places that a task of `owner` may be answered from: its own files, and files under its sources."""
    inexact = [source for source in sources if source.startswith("gs://") and folder_of(source) != source]
    exact = [source for source in sources if source not in inexact]
    return Places(tuple(dict.fromkeys((owner, *exact))), tuple(inexact))


def _field(place: str) -> str:
    """Return the metadata key for an owner, or for a folder of this depth."""
    return f"folder{place.count('/') - 3}" if place.startswith("gs://") else "owner"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
