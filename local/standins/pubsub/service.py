"""The calls of google.pubsub.v1.Publisher and Subscriber, over gRPC. Methods that are not here are UNIMPLEMENTED.

Policies of topics and subscriptions (google.iam.v1.IAMPolicy) are kept, and nothing is refused by them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal, invalid, refuse
from local.standins.pubsub.push import Sign, push
from local.standins.pubsub.rules import Pb, check_deadline, check_messages, check_name, missing, prepare_subscription
from local.standins.pubsub.subscription import Subscription
from shared.clock import Clock

_POLL_SECONDS = 0.05
_PULL_SECONDS = 5.0
"""How long a pull without messages waits."""
_MOST_AT_ONCE = 1000
_STREAM_CHUNK = 100

TopicPb, SubscriptionPb, EmptyPb = types.Topic.pb(), types.Subscription.pb(), empty_pb2.Empty


class PubSubService:
    """The RPCs. Each public method takes the request of the RPC it is named after and returns the answer."""

    def __init__(self, clock: Clock, sign: Sign) -> None:
        self._clock, self._sign = clock, sign
        self.topics: dict[str, Pb] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._policies: dict[str, Pb] = {}
        self._pushing: dict[str, asyncio.Task[None]] = {}
        self._ids = itertools.count(1)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        unary = {service: {name: _unary(getattr(self, name), *kinds) for name, kinds in rpcs.items()}
                 for service, rpcs in _RPCS.items()}  # fmt: skip
        unary["google.pubsub.v1.Subscriber"]["StreamingPull"] = grpc.stream_stream_rpc_method_handler(
            self._streaming_pull,
            types.StreamingPullRequest.pb().FromString,
            types.StreamingPullResponse.pb().SerializeToString,
        )
        return tuple(grpc.method_handlers_generic_handler(service, methods) for service, methods in unary.items())

    async def CreateTopic(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        check_name(request.name, "topics")
        if request.name in self.topics:
            raise _exists(request.name)
        self.topics[request.name] = request
        return request

    async def GetTopic(self, request: Pb) -> Pb:  # noqa: N802
        return self._topic(request.topic)

    async def ListTopics(self, request: Pb) -> Pb:  # noqa: N802
        topics = [topic for name, topic in sorted(self.topics.items()) if name.startswith(f"{request.project}/")]
        return types.ListTopicsResponse.pb()(topics=topics)

    async def ListTopicSubscriptions(self, request: Pb) -> Pb:  # noqa: N802
        self._topic(request.topic)
        names = [name for name, subscription in sorted(self.subscriptions.items())
                 if subscription.settings.topic == request.topic]  # fmt: skip
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names)

    async def DeleteTopic(self, request: Pb) -> Pb:  # noqa: N802
        self._topic(request.topic)
        del self.topics[request.topic]
        self._policies.pop(request.topic, None)
        for subscription in self.subscriptions.values():
            if subscription.settings.topic == request.topic:
                subscription.settings.topic = "_deleted-topic_"
        return EmptyPb()

    async def Publish(self, request: Pb) -> Pb:  # noqa: N802
        self._topic(request.topic)
        check_messages(request)
        for message in request.messages:
            message.message_id = f"{next(self._ids):016d}"
            message.publish_time.FromMilliseconds(int(self._clock.time() * 1000))
            for subscription in self.subscriptions.values():
                if subscription.settings.topic == request.topic:
                    subscription.add(message)
        return types.PublishResponse.pb()(message_ids=[message.message_id for message in request.messages])

    async def CreateSubscription(self, request: Pb) -> Pb:  # noqa: N802
        check_name(request.name, "subscriptions")
        self._topic(request.topic)
        if request.name in self.subscriptions:
            raise _exists(request.name)
        subscription = Subscription(prepare_subscription(request), self._clock)
        self.subscriptions[request.name] = subscription
        if subscription.settings.push_config.push_endpoint:
            self._pushing[request.name] = asyncio.create_task(self._push(subscription))
        return subscription.settings

    async def GetSubscription(self, request: Pb) -> Pb:  # noqa: N802
        return self._subscription(request.subscription).settings

    async def ListSubscriptions(self, request: Pb) -> Pb:  # noqa: N802
        subscriptions = [subscription.settings for name, subscription in sorted(self.subscriptions.items())
                 if name.startswith(f"{request.project}/")]  # fmt: skip
        return types.ListSubscriptionsResponse.pb()(subscriptions=subscriptions)

    async def DeleteSubscription(self, request: Pb) -> Pb:  # noqa: N802
        self._subscription(request.subscription)
        del self.subscriptions[request.subscription]
        self._policies.pop(request.subscription, None)
        if (pushing := self._pushing.pop(request.subscription, None)) is not None:
            pushing.cancel()
        return EmptyPb()

    async def Pull(self, request: Pb) -> Pb:  # noqa: N802
        subscription = self._subscription(request.subscription)
        if request.max_messages <= 0:
            raise invalid("max_messages must be positive.")
        tries = 1 if request.return_immediately else int(_PULL_SECONDS / _POLL_SECONDS)
        for number in range(tries):
            if leased := subscription.lease(min(request.max_messages, _MOST_AT_ONCE)):
                return types.PullResponse.pb()(received_messages=[_received(*delivery) for delivery in leased])
            if number + 1 < tries:
                await asyncio.sleep(_POLL_SECONDS)
        return types.PullResponse.pb()()

    async def Acknowledge(self, request: Pb) -> Pb:  # noqa: N802
        self._subscription(request.subscription).acknowledge(list(request.ack_ids))
        return EmptyPb()

    async def ModifyAckDeadline(self, request: Pb) -> Pb:  # noqa: N802
        if request.ack_deadline_seconds:
            check_deadline(request.ack_deadline_seconds)
        subscription = self._subscription(request.subscription)
        subscription.modify_deadline(list(request.ack_ids), request.ack_deadline_seconds)
        return EmptyPb()

    async def GetIamPolicy(self, request: Pb) -> Pb:  # noqa: N802
        return self._policy(request.resource)

    async def SetIamPolicy(self, request: Pb) -> Pb:  # noqa: N802
        etag = self._policy(request.resource).etag
        if request.policy.etag and request.policy.etag != etag:
            raise Refusal(grpc.StatusCode.ABORTED, "There were concurrent policy changes: read it again.")
        policy = policy_pb2.Policy()
        policy.CopyFrom(request.policy)
        policy.etag = f"{next(self._ids):08d}".encode()
        self._policies[request.resource] = policy
        return policy

    async def TestIamPermissions(self, request: Pb) -> Pb:  # noqa: N802
        self._policy(request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)

    async def _streaming_pull(self, requests: AsyncIterator[Pb], context: Any) -> AsyncIterator[Pb]:
        first = await anext(requests)
        try:
            subscription = self._subscription(first.subscription)
            check_deadline(first.stream_ack_deadline_seconds)
        except Refusal as refusal:
            await refuse(context, refusal)
        reading = asyncio.create_task(_read_acks(subscription, requests))
        try:
            while not reading.done():
                if leased := subscription.lease(_STREAM_CHUNK, first.stream_ack_deadline_seconds):
                    yield types.StreamingPullResponse.pb()(
                        received_messages=[_received(*delivery) for delivery in leased]
                    )
                else:
                    await asyncio.wait({reading}, timeout=_POLL_SECONDS)
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.UsageError):
                await reading

    async def _push(self, subscription: Subscription) -> None:
        while True:
            for ack_id, message, _ in subscription.lease(_STREAM_CHUNK):
                if await push(message, subscription.settings, self._sign):
                    subscription.acknowledge([ack_id])
                else:
                    subscription.modify_deadline([ack_id], 0)
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        for pushing in self._pushing.values():
            pushing.cancel()
        await asyncio.gather(*self._pushing.values(), return_exceptions=True)

    def _policy(self, resource: str) -> Pb:
        if resource not in self.topics and resource not in self.subscriptions:
            raise missing(resource)
        return self._policies.get(resource, policy_pb2.Policy(etag=b"ACAB"))

    def _topic(self, name: str) -> Pb:
        check_name(name, "topics")
        if name not in self.topics:
            raise missing(name)
        return self.topics[name]

    def _subscription(self, name: str) -> Subscription:
        check_name(name, "subscriptions")
        if name not in self.subscriptions:
            raise missing(name)
        return self.subscriptions[name]


async def _read_acks(subscription: Subscription, requests: AsyncIterator[Pb]) -> None:
    async for request in requests:
        subscription.acknowledge(list(request.ack_ids))
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
            subscription.modify_deadline([ack_id], seconds)


def _received(ack_id: str, message: Pb, attempt: int) -> Pb:
    # Without a dead letter policy, the number of the attempt is not told.
    return types.ReceivedMessage.pb()(ack_id=ack_id, message=message)


def _exists(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists (resource={name.rpartition('/')[2]}).")


def _unary(method: Callable[[Pb], Awaitable[Pb]], request: Pb, answer: Pb) -> grpc.RpcMethodHandler:
    async def call(message: Pb, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await method(message)
        except Refusal as refusal:
            await refuse(context, refusal)

    return grpc.unary_unary_rpc_method_handler(call, request.FromString, answer.SerializeToString)


_RPCS: dict[str, dict[str, tuple[Pb, Pb]]] = {
    "google.pubsub.v1.Publisher": {
        "CreateTopic": (TopicPb, TopicPb),
        "GetTopic": (types.GetTopicRequest.pb(), TopicPb),
        "ListTopics": (types.ListTopicsRequest.pb(), types.ListTopicsResponse.pb()),
        "ListTopicSubscriptions": (
            types.ListTopicSubscriptionsRequest.pb(),
            types.ListTopicSubscriptionsResponse.pb(),
        ),
        "DeleteTopic": (types.DeleteTopicRequest.pb(), EmptyPb),
        "Publish": (types.PublishRequest.pb(), types.PublishResponse.pb()),
    },
    "google.pubsub.v1.Subscriber": {
        "CreateSubscription": (SubscriptionPb, SubscriptionPb),
        "GetSubscription": (types.GetSubscriptionRequest.pb(), SubscriptionPb),
        "ListSubscriptions": (types.ListSubscriptionsRequest.pb(), types.ListSubscriptionsResponse.pb()),
        "DeleteSubscription": (types.DeleteSubscriptionRequest.pb(), EmptyPb),
        "Pull": (types.PullRequest.pb(), types.PullResponse.pb()),
        "Acknowledge": (types.AcknowledgeRequest.pb(), EmptyPb),
        "ModifyAckDeadline": (types.ModifyAckDeadlineRequest.pb(), EmptyPb),
    },
    "google.iam.v1.IAMPolicy": {
        "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest, policy_pb2.Policy),
        "SetIamPolicy": (iam_policy_pb2.SetIamPolicyRequest, policy_pb2.Policy),
        "TestIamPermissions": (iam_policy_pb2.TestIamPermissionsRequest, iam_policy_pb2.TestIamPermissionsResponse),
    },
}
