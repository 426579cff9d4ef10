"""The calls of google.pubsub.v1.Subscriber. Snapshots cannot be made, so that there are none to list."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import ClassVar

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal, invalid
from local.standins.pubsub.push import PushDelivery, Sign
from local.standins.pubsub.resources import Resources
from local.standins.pubsub.rpcs import Rpcs, page
from local.standins.pubsub.rules import (
    CHANGEABLE_OF_SUBSCRIPTIONS,
    Pb,
    check_mask,
    check_name,
    check_new_deadline,
    exists,
    not_served,
    prepare_subscription,
)
from local.standins.pubsub.streaming import received
from local.standins.pubsub.subscription import Subscription

_POLL_SECONDS = 0.05
_PULL_SECONDS = 5.0
"""How long a pull without messages waits."""
_MAX_AT_ONCE = 1000
_INVALID_ACK_ID = "PERMANENT_FAILURE_INVALID_ACK_ID"
_MAX_NAMED_BYTES = 4000
"""gRPC's clients take 8 KiB of metadata for granted; what tells the invalid ids is part of it, in base64."""

SubscriptionPb, EmptyPb = types.Subscription.pb(), empty_pb2.Empty


class Subscriber:
    """Each public method takes the request of the RPC it is named after and returns the answer."""

    rpcs: ClassVar[Rpcs] = {
        "CreateSubscription": (SubscriptionPb, SubscriptionPb),
        "GetSubscription": (types.GetSubscriptionRequest.pb(), SubscriptionPb),
        "UpdateSubscription": (types.UpdateSubscriptionRequest.pb(), SubscriptionPb),
        "ListSubscriptions": (types.ListSubscriptionsRequest.pb(), types.ListSubscriptionsResponse.pb()),
        "DeleteSubscription": (types.DeleteSubscriptionRequest.pb(), EmptyPb),
        "ModifyPushConfig": (types.ModifyPushConfigRequest.pb(), EmptyPb),
        "Pull": (types.PullRequest.pb(), types.PullResponse.pb()),
        "Acknowledge": (types.AcknowledgeRequest.pb(), EmptyPb),
        "ModifyAckDeadline": (types.ModifyAckDeadlineRequest.pb(), EmptyPb),
        "ListSnapshots": (types.ListSnapshotsRequest.pb(), types.ListSnapshotsResponse.pb()),
        "Seek": (types.SeekRequest.pb(), types.SeekResponse.pb()),
    }

    def __init__(self, resources: Resources, sign: Sign) -> None:
        self._resources, self._sign = resources, sign
        self._pushing: dict[str, PushDelivery] = {}

    async def CreateSubscription(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        check_name(request.name, "subscriptions")
        self._resources.topic(request.topic)
        if request.name in self._resources.subscriptions:
            raise exists(request.name)
        prepared = prepare_subscription(request)
        prepared.detached = False
        self._check_dead_letter_topic(prepared)
        subscription = Subscription(prepared, self._resources.clock)
        self._resources.subscriptions[request.name] = subscription
        self._resources.tell_retention(request.topic)
        await self.start_or_stop_pushing(request.name)
        return subscription.settings

    async def GetSubscription(self, request: Pb) -> Pb:  # noqa: N802
        return self._resources.subscription(request.subscription).settings

    async def UpdateSubscription(self, request: Pb) -> Pb:  # noqa: N802
        submitted = request.subscription
        check_mask(request.update_mask, SubscriptionPb, CHANGEABLE_OF_SUBSCRIPTIONS)
        subscription = self._resources.subscription(submitted.name)
        changed = SubscriptionPb()
        changed.CopyFrom(subscription.settings)
        request.update_mask.MergeMessage(submitted, changed, replace_message_field=True, replace_repeated_field=True)
        prepared = prepare_subscription(changed)
        if any(path.partition(".")[0] == "dead_letter_policy" for path in request.update_mask.paths):
            self._check_dead_letter_topic(prepared)
        subscription.settings = prepared
        await self.start_or_stop_pushing(submitted.name)
        return subscription.settings

    async def ListSubscriptions(self, request: Pb) -> Pb:  # noqa: N802
        names, token = page(self._resources.subscriptions, request, under=f"{request.project}/")
        subscriptions = [self._resources.subscriptions[name].settings for name in names]
        return types.ListSubscriptionsResponse.pb()(subscriptions=subscriptions, next_page_token=token)

    async def DeleteSubscription(self, request: Pb) -> Pb:  # noqa: N802
        self._resources.subscription(request.subscription)
        del self._resources.subscriptions[request.subscription]
        self._resources.policies.pop(request.subscription, None)
        await self.start_or_stop_pushing(request.subscription)
        return EmptyPb()

    async def ModifyPushConfig(self, request: Pb) -> Pb:  # noqa: N802
        subscription = self._resources.subscription(request.subscription)
        changed = SubscriptionPb()
        changed.CopyFrom(subscription.settings)
        changed.push_config.CopyFrom(request.push_config)
        subscription.settings = prepare_subscription(changed)
        await self.start_or_stop_pushing(request.subscription)
        return EmptyPb()

    async def Pull(self, request: Pb) -> Pb:  # noqa: N802
        if request.max_messages <= 0:
            raise invalid("max_messages must be positive.")
        tries = 1 if request.return_immediately else int(_PULL_SECONDS / _POLL_SECONDS)
        for number in range(tries):
            subscription = self._resources.attached(request.subscription)
            self._resources.forward_dead_letters()
            if leased := subscription.lease(min(request.max_messages, _MAX_AT_ONCE)):
                messages = [received(delivery, subscription.settings) for delivery in leased]
                return types.PullResponse.pb()(received_messages=messages)
            if number + 1 < tries:
                await asyncio.sleep(_POLL_SECONDS)
        return types.PullResponse.pb()()

    async def Acknowledge(self, request: Pb) -> Pb:  # noqa: N802
        subscription = self._resources.subscription(request.subscription)
        _tell_without_effect(subscription, subscription.acknowledge(request.ack_ids))
        return EmptyPb()

    async def ModifyAckDeadline(self, request: Pb) -> Pb:  # noqa: N802
        check_new_deadline(request.ack_deadline_seconds)
        subscription = self._resources.subscription(request.subscription)
        _tell_without_effect(subscription, subscription.modify_deadline(request.ack_ids, request.ack_deadline_seconds))
        return EmptyPb()

    async def ListSnapshots(self, request: Pb) -> Pb:  # noqa: N802
        return types.ListSnapshotsResponse.pb()()

    async def Seek(self, request: Pb) -> Pb:  # noqa: N802
        if not request.HasField("time"):
            raise not_served("Seek to a snapshot")
        self._resources.subscription(request.subscription).seek(request.time)
        return types.SeekResponse.pb()()

    async def close(self) -> None:
        await asyncio.gather(*(pushing.stop() for pushing in self._pushing.values()))

    async def start_or_stop_pushing(self, name: str) -> None:
        """Push from now on, or no more, as the subscription's settings say; none is pushed if it is gone."""
        subscription = self._resources.subscriptions.get(name)
        settings = subscription.settings if subscription is not None else SubscriptionPb()
        pushes = bool(settings.push_config.push_endpoint) and not settings.detached
        if subscription is not None and pushes and name not in self._pushing:
            self._pushing[name] = PushDelivery(subscription, self._resources.forward_dead_letters, self._sign)
        elif not pushes and (pushing := self._pushing.pop(name, None)) is not None:
            await pushing.stop()

    def _check_dead_letter_topic(self, settings: Pb) -> None:
        if settings.HasField("dead_letter_policy"):
            self._resources.topic(settings.dead_letter_policy.dead_letter_topic)


def _tell_without_effect(subscription: Subscription, ack_ids: Sequence[str]) -> None:
    """With exactly-once delivery, refuse ids that had no effect; without, they are passed over in silence."""
    if ack_ids and subscription.settings.enable_exactly_once_delivery:
        sizes = itertools.accumulate(len(ack_id.encode()) + len(_INVALID_ACK_ID) for ack_id in ack_ids)
        named = [ack_id for ack_id, size in zip(ack_ids, sizes, strict=True) if size <= _MAX_NAMED_BYTES]
        reasons = dict.fromkeys(named, _INVALID_ACK_ID)
        message = "Some acknowledgement ids in the request were invalid. This could be because they have expired."
        raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, message, reasons)
