"""The objects under the cloud's rules: generations, versions, preconditions, holds, and an event for each change.

Each change is one transaction that includes its checks, its writes and its events.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from local.standins.storage.conditions import Preconditions
from local.standins.storage.content import Contents
from local.standins.storage.errors import ApiError, no_such_bucket, no_such_object
from local.standins.storage.iam import authorize, authorize_absence
from local.standins.storage.names import check_object_name
from local.standins.storage.object_config import parse_time
from local.standins.storage.records import Bucket, Json, ObjectVersion, timestamp
from local.standins.storage.store import Store
from shared.clock import Clock

EventType = Literal["finalized", "deleted", "archived", "metadataUpdated"]
Publish = Callable[[EventType, ObjectVersion], None]

ANY = Preconditions()


class Catalog:
    def __init__(self, clock: Clock, store: Store, contents: Contents, publish: Publish) -> None:
        self.clock, self.store, self.contents = clock, store, contents
        self._publish = publish
        self._dropped: list[str] = []

    def now(self) -> str:
        return timestamp(self.clock.time())

    def bucket(self, name: str) -> Bucket:
        holder = self.store.bucket(name)
        if holder is None:
            raise no_such_bucket()
        return holder

    def object(
        self, bucket: str, name: str, generation: int | None = None, preconditions: Preconditions = ANY
    ) -> ObjectVersion:
        """Return the live version or a given generation for reading.

        Raises ApiError if there is none or a precondition fails.
        """
        authorize("storage.objects.get", bucket, name)
        version = self._existing(bucket, name, generation)
        preconditions.check_read(version)
        return version

    def check_place(self, bucket: str, name: str, preconditions: Preconditions) -> Bucket:
        """Return the bucket, or raise ApiError if the object could not be created now.

        Uploads check at their start; `place` checks again.
        """
        authorize("storage.objects.create", bucket, name)
        holder = self.bucket(bucket)
        check_object_name(name)
        current = self.store.object(bucket, name)
        preconditions.check_write(current)
        if current is not None:
            authorize("storage.objects.delete", bucket, name)
        if current is not None and not holder.versioned:
            self._refuse_if_protected(current)
        return holder

    def place(
        self,
        bucket: str,
        name: str,
        content: str,
        size: int,
        state: Json,
        preconditions: Preconditions = ANY,
        also: Callable[[ObjectVersion], None] = lambda version: None,
    ) -> ObjectVersion:
        """Create a new live generation; the previous one is archived or deleted.

        `also` runs in the same transaction.
        """
        with self._change():
            version = self._place(bucket, name, content, size, state, preconditions)
            also(version)
        return version

    def move(self, source: ObjectVersion, name: str, state: Json, preconditions: Preconditions) -> ObjectVersion:
        """Rename a live object within its bucket, in one transaction."""
        with self._change():
            version = self._place(source.bucket, name, source.content, source.size, state, preconditions)
            self._remove(source.bucket, source.name, None, ANY)
        return version

    def _place(
        self, bucket: str, name: str, content: str, size: int, state: Json, preconditions: Preconditions
    ) -> ObjectVersion:
        holder = self.check_place(bucket, name, preconditions)
        before = self.store.object(bucket, name)
        now = self.now()
        times = {"timeCreated": now, "updated": now, "timeStorageClassUpdated": now, "timeFinalized": now}
        generation = self.store.rising("generation", int(self.clock.time() * 1e6))
        retention = self._retention(holder, state, now)
        version = ObjectVersion(bucket, name, generation, 1, True, content, size, {**state, **times, **retention})
        if before is not None:
            self._retire(before, holder)
        self.store.put_object(version)
        self._publish("finalized", version)
        return version

    def amend(
        self,
        bucket: str,
        name: str,
        generation: int | None,
        preconditions: Preconditions,
        change: Callable[[Bucket, ObjectVersion], Json],
    ) -> ObjectVersion:
        """Replace a version's state by the result of `change`."""
        with self._change():
            authorize("storage.objects.update", bucket, name)
            before = self._existing(bucket, name, generation)
            preconditions.check_write(before)
            holder = self.bucket(bucket)
            state = {**change(holder, before), "updated": self.now()}
            if before.state.get("eventBasedHold"):
                # The retention period starts anew when the hold is released.
                state |= self._retention(holder, state, self.now())
            version = replace(before, metageneration=before.metageneration + 1, state=state)
            self.store.put_object(version)
            self._publish("metadataUpdated", version)
        return version

    def remove(self, bucket: str, name: str, generation: int | None, preconditions: Preconditions) -> None:
        """Delete a version, or archive the live one if the bucket is versioned and no generation is given."""
        with self._change():
            self._remove(bucket, name, generation, preconditions)

    def _remove(self, bucket: str, name: str, generation: int | None, preconditions: Preconditions) -> None:
        authorize("storage.objects.delete", bucket, name)
        version = self._existing(bucket, name, generation)
        preconditions.check_write(version)
        holder = self.bucket(bucket)
        if generation is None and holder.versioned:
            self._retire(version, holder)
        else:
            self._refuse_if_protected(version)
            self._drop(version)

    def _existing(self, bucket: str, name: str, generation: int | None) -> ObjectVersion:
        self.bucket(bucket)
        version = self.store.object(bucket, name, generation)
        if version is None:
            authorize_absence(bucket, name)
            raise no_such_object(bucket, name)
        return version

    def _retire(self, version: ObjectVersion, holder: Bucket) -> None:
        if holder.versioned:
            gone = replace(version, live=False, state={**version.state, "timeDeleted": self.now()})
            self.store.put_object(gone)
            self._publish("archived", gone)
        else:
            self._drop(version)

    def _drop(self, version: ObjectVersion) -> None:
        self.store.drop_object(version)
        self._dropped.append(version.content)
        self._publish("deleted", replace(version, live=False, state={**version.state, "timeDeleted": self.now()}))

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """Run a transaction, and remove contents that no version uses only after the commit."""
        self._dropped.clear()
        with self.store.transaction():
            yield
        for content in self._dropped:
            if not self.store.content_in_use(content):
                self.contents.discard(content)

    def _retention(self, holder: Bucket, state: Json, since: str) -> Json:
        policy = holder.state.get("retentionPolicy")
        if not policy or state.get("eventBasedHold"):
            return {}
        until = parse_time(since).timestamp() + int(policy["retentionPeriod"])
        return {"retentionExpirationTime": timestamp(until)}

    def _refuse_if_protected(self, version: ObjectVersion) -> None:
        """Raise ApiError (403) for an object under a hold or retention."""
        label = f"Object '{version.bucket}/{version.name}'"
        for field, name in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
            if version.state.get(field):
                raise ApiError(
                    403,
                    f"{label} is under active {name} hold and cannot be deleted, overwritten or archived until hold is "
                    "removed.",
                    "objectUnderActiveHold",
                )
        ends = [version.state.get("retentionExpirationTime"), version.state.get("retention", {}).get("retainUntilTime")]
        for end in filter(None, ends):
            if parse_time(end).timestamp() > self.clock.time():
                raise ApiError(
                    403,
                    f"{label} is subject to bucket's retention policy or object retention and cannot be deleted or "
                    f"overwritten until {end}",
                    "retentionPolicyNotMet",
                )
