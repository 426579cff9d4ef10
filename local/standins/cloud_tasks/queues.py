"""The queues that exist, each with its dispatcher, kept in step with the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import grpc

from local.standins.cloud_tasks.dispatcher import Dispatcher
from local.standins.cloud_tasks.rules import Pb, no_queue, queue_of
from local.standins.cloud_tasks.spec import QueueSpec, fill_retries
from local.standins.cloud_tasks.store import Entry, Store
from local.standins.grpc_refusals import Refusal
from shared.clock import Clock


class QueueRegistry:
    def __init__(self, clock: Clock, store: Store, make: Callable[[Pb], Dispatcher], *, held: bool = False) -> None:
        self._held = held
        self.queues: dict[str, Dispatcher] = {}
        self._clock, self._store, self._make = clock, store, make

    def load(self, specs: Sequence[QueueSpec]) -> None:
        """Load the stored queues and tasks, then create the queues in `specs`; a spec overrides the stored settings."""
        for queue in self._store.queues():
            self.put_queue(queue)
        for entry in self._store.tasks():
            self.queue(queue_of(entry.name)).add(entry)
        for spec in specs:
            queue = spec.message()
            if spec.name in self.queues:
                queue.state = self.queues[spec.name].queue.state
            self.put_queue(queue)

    async def close(self) -> None:
        for dispatcher in self.queues.values():
            await dispatcher.stop()

    def release(self) -> None:
        if self._held:
            self._held = False
            for dispatcher in self.queues.values():
                dispatcher.start()

    def now(self) -> float:
        return self._clock.time()

    def queue(self, name: str) -> Dispatcher:
        if name not in self.queues:
            raise no_queue(name)
        return self.queues[name]

    def put_queue(self, queue: Pb) -> Pb:
        self._store.put_queue(queue)
        if queue.name in self.queues:
            self.queues[queue.name].configure(queue)
        else:
            dispatcher = self.queues[queue.name] = self._make(queue)
            if not self._held:
                dispatcher.start()
        return queue

    async def delete_queue(self, name: str) -> None:
        dispatcher = self.queue(name)
        for entry in list(dispatcher.entries.values()):
            dispatcher.remove(entry)
        self._store.drop_queue(name)
        del self.queues[name]
        await dispatcher.stop()

    def entry(self, name: str) -> Entry:
        entry = self.queue(queue_of(name)).entries.get(name)
        if entry is None:
            raise Refusal(
                grpc.StatusCode.NOT_FOUND, "The task no longer exists, or never did: it was executed or deleted."
            )
        return entry

    def create_task(self, dispatcher: Dispatcher, task: Pb) -> None:
        if task.name in dispatcher.entries or self._store.is_blocked(task.name, self.now()):
            raise Refusal(
                grpc.StatusCode.ALREADY_EXISTS,
                "The task cannot be created because a task with this name existed too recently.",
            )
        if task.HasField("retry_config"):
            fill_retries(task.retry_config, QueueSpec(dispatcher.queue.name))
        entry = Entry(task)
        self._store.put_task(entry)
        dispatcher.add(entry)
