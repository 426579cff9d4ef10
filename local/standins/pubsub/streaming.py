"""StreamingPull: messages in one direction, acknowledgements and deadlines in the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal, invalid, refuse
from local.standins.pubsub.resources import Resources
from local.standins.pubsub.rules import Pb, check_deadline, check_new_deadline, missing
from local.standins.pubsub.subscription import LARGEST_ANSWER_BYTES, Leased

_POLL_SECONDS = 0.05
_MAX_AT_ONCE = 100

_RequestPb, _ResponsePb = types.StreamingPullRequest.pb(), types.StreamingPullResponse.pb()


def streaming_handler(resources: Resources) -> grpc.GenericRpcHandler:
    async def call(requests: AsyncIterator[Pb], context: grpc.aio.ServicerContext) -> AsyncIterator[Pb]:
        try:
            if (first := await anext(requests, None)) is None:
                raise invalid("The first request of a stream names the subscription.")
            async for answer in _Stream(resources, first).answers(requests):
                yield answer
        except Refusal as refusal:
            await refuse(context, refusal)

    method = grpc.stream_stream_rpc_method_handler(call, _RequestPb.FromString, _ResponsePb.SerializeToString)
    return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", {"StreamingPull": method})


class _Stream:
    def __init__(self, resources: Resources, first: Pb) -> None:
        check_deadline(first.stream_ack_deadline_seconds)
        self._resources, self._name = resources, first.subscription
        self._subscription = resources.attached(first.subscription)
        self._deadline: int = first.stream_ack_deadline_seconds
        self._most, self._most_bytes = first.max_outstanding_messages, first.max_outstanding_bytes
        self._held: dict[str, int] = {}
        """Bytes of the messages that this stream delivered, by ack id."""
        self._confirmations: list[Pb] = []
        self._apply(first)

    async def answers(self, requests: AsyncIterator[Pb]) -> AsyncIterator[Pb]:
        reading = asyncio.create_task(self._read(requests))
        try:
            while not reading.done():
                while self._confirmations:
                    yield self._confirmations.pop(0)
                if leased := self._lease():
                    messages = [received(delivery, self._subscription.settings) for delivery in leased]
                    yield _ResponsePb(received_messages=messages, subscription_properties=self._properties())
                else:
                    await asyncio.wait({reading}, timeout=_POLL_SECONDS)
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.UsageError, Refusal):
                await reading

    async def _read(self, requests: AsyncIterator[Pb]) -> None:
        async for request in requests:
            if request.subscription:
                raise invalid("Only the first request of a stream names the subscription.")
            if request.stream_ack_deadline_seconds:
                check_deadline(request.stream_ack_deadline_seconds)
                self._deadline = request.stream_ack_deadline_seconds
            self._apply(request)

    def _apply(self, request: Pb) -> None:
        """Acknowledge and change deadlines as the request says; with exactly-once delivery, note what to confirm."""
        deadlines = list(request.modify_deadline_seconds)
        if len(deadlines) != len(request.modify_deadline_ack_ids):
            raise invalid("There must be one deadline for each of modify_deadline_ack_ids.")
        for seconds in deadlines:
            check_new_deadline(seconds)
        unacknowledged = set(self._subscription.acknowledge(request.ack_ids))
        unchanged = set[str]()
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, deadlines, strict=True):
            unchanged.update(self._subscription.modify_deadline([ack_id], seconds))
        if not self._subscription.settings.enable_exactly_once_delivery:
            return
        if request.ack_ids:
            confirmation = _confirmation(_ResponsePb.AcknowledgeConfirmation, request.ack_ids, unacknowledged)
            self._confirmations.append(_ResponsePb(acknowledge_confirmation=confirmation))
        if deadlines:
            kind, ack_ids = _ResponsePb.ModifyAckDeadlineConfirmation, request.modify_deadline_ack_ids
            confirmation = _confirmation(kind, ack_ids, unchanged)
            self._confirmations.append(_ResponsePb(modify_ack_deadline_confirmation=confirmation))

    def _lease(self) -> list[Leased]:
        """Lease what the subscriber has room for. Raises Refusal once the subscription is gone."""
        if self._resources.attached(self._name) is not self._subscription:
            # It was deleted, and another one has its name by now.
            raise missing(self._name)
        self._resources.forward_dead_letters()
        self._held = {ack_id: size for ack_id, size in self._held.items() if self._subscription.is_leased(ack_id)}
        most, most_bytes = _MAX_AT_ONCE, LARGEST_ANSWER_BYTES
        if self._most > 0:
            most = min(most, self._most - len(self._held))
        if self._most_bytes > 0:
            most_bytes = min(most_bytes, self._most_bytes - sum(self._held.values()))
        leased = self._subscription.lease(most, self._deadline, most_bytes)
        self._held.update({delivery.ack_id: delivery.message.ByteSize() for delivery in leased})
        return leased

    def _properties(self) -> Pb:
        settings = self._subscription.settings
        return _ResponsePb.SubscriptionProperties(
            exactly_once_delivery_enabled=settings.enable_exactly_once_delivery,
            message_ordering_enabled=settings.enable_message_ordering,
        )


def received(delivery: Leased, settings: Pb) -> Pb:
    # Without a dead letter policy, the number of the attempt is not told.
    attempt = delivery.attempt if settings.HasField("dead_letter_policy") else 0
    return types.ReceivedMessage.pb()(ack_id=delivery.ack_id, message=delivery.message, delivery_attempt=attempt)


def _confirmation(kind: Pb, ack_ids: Any, without_effect: set[str]) -> Pb:
    return kind(
        ack_ids=[ack_id for ack_id in ack_ids if ack_id not in without_effect],
        invalid_ack_ids=[ack_id for ack_id in ack_ids if ack_id in without_effect],
    )
