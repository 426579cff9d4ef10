"""Publish events to a Pub/Sub topic."""

from __future__ import annotations

import os
from typing import Any

import grpc.aio
from google.api_core import exceptions as api_errors
from google.api_core.retry_async import AsyncRetry, if_exception_type
from google.pubsub_v1.services.publisher import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.types import PubsubMessage

from shared.domain.errors import TaskFailure, TransientFailure, Unavailable
from shared.domain.tasks.event import TaskEvent

_RETRY = AsyncRetry(
    if_exception_type(
        api_errors.ServiceUnavailable, api_errors.DeadlineExceeded, api_errors.InternalServerError, api_errors.Aborted
    ),
    initial=0.1,
    maximum=1.0,
    timeout=5.0,
)
"""Bridges short failures; for longer ones the after-work is done again. The timeout is in seconds."""


class Events:
    """One topic. A publish that raised may still have been delivered: events arrive at least once."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        if (emulator := os.environ.get("PUBSUB_EMULATOR_HOST")) is None:
            self._client = PublisherAsyncClient()
        else:
            transport = PublisherGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(emulator))
            self._client = PublisherAsyncClient(transport=transport)

    async def publish(self, event: TaskEvent) -> None:
        """Publish the event. Raises `TaskFailure`."""
        message = PubsubMessage(data=event.data, attributes=event.attributes)
        try:
            await self._client.publish(topic=self._topic, messages=[message], retry=_RETRY, timeout=5.0)
        except (api_errors.GoogleAPICallError, api_errors.RetryError) as error:
            raise _failure(error) from error

    async def close(self) -> None:
        transport: Any = self._client.transport
        await transport.close()


def _failure(error: Exception) -> TaskFailure:
    if isinstance(error, api_errors.ClientError) and not isinstance(error, api_errors.TooManyRequests):
        return TransientFailure(f"Pub/Sub refused an event: {error.message}")
    return Unavailable(f"Pub/Sub did not take an event: {type(error).__name__}")
