"""The calls of google.pubsub.v1.Publisher."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from local.standins.pubsub.resources import DELETED_TOPIC, Resources
from local.standins.pubsub.rpcs import Rpcs, page
from local.standins.pubsub.rules import (
    CHANGEABLE_OF_TOPICS,
    Pb,
    check_mask,
    check_messages,
    check_name,
    exists,
    prepare_topic,
)

TopicPb = types.Topic.pb()


class Publisher:
    """Each public method takes the request of the RPC it is named after and returns the answer."""

    rpcs: ClassVar[Rpcs] = {
        "CreateTopic": (TopicPb, TopicPb),
        "GetTopic": (types.GetTopicRequest.pb(), TopicPb),
        "UpdateTopic": (types.UpdateTopicRequest.pb(), TopicPb),
        "ListTopics": (types.ListTopicsRequest.pb(), types.ListTopicsResponse.pb()),
        "ListTopicSubscriptions": (
            types.ListTopicSubscriptionsRequest.pb(),
            types.ListTopicSubscriptionsResponse.pb(),
        ),
        "DeleteTopic": (types.DeleteTopicRequest.pb(), empty_pb2.Empty),
        "DetachSubscription": (types.DetachSubscriptionRequest.pb(), types.DetachSubscriptionResponse.pb()),
        "Publish": (types.PublishRequest.pb(), types.PublishResponse.pb()),
    }

    def __init__(self, resources: Resources, start_or_stop_pushing: Callable[[str], Awaitable[None]]) -> None:
        self._resources, self._start_or_stop_pushing = resources, start_or_stop_pushing

    async def CreateTopic(self, request: Pb) -> Pb:  # noqa: N802 - the RPC's name
        check_name(request.name, "topics")
        if request.name in self._resources.topics:
            raise exists(request.name)
        self._resources.topics[request.name] = prepare_topic(request)
        return self._resources.topics[request.name]

    async def GetTopic(self, request: Pb) -> Pb:  # noqa: N802
        return self._resources.topic(request.topic)

    async def UpdateTopic(self, request: Pb) -> Pb:  # noqa: N802
        changed = TopicPb()
        changed.CopyFrom(self._resources.topic(request.topic.name))
        check_mask(request.update_mask, TopicPb, CHANGEABLE_OF_TOPICS)
        request.update_mask.MergeMessage(
            request.topic, changed, replace_message_field=True, replace_repeated_field=True
        )
        self._resources.topics[request.topic.name] = prepare_topic(changed)
        self._resources.tell_retention(request.topic.name)
        return self._resources.topics[request.topic.name]

    async def ListTopics(self, request: Pb) -> Pb:  # noqa: N802
        names, token = page(self._resources.topics, request, under=f"{request.project}/")
        topics = [self._resources.topics[name] for name in names]
        return types.ListTopicsResponse.pb()(topics=topics, next_page_token=token)

    async def ListTopicSubscriptions(self, request: Pb) -> Pb:  # noqa: N802
        self._resources.topic(request.topic)
        all_names = [subscription.settings.name for subscription in self._resources.of_topic(request.topic)]
        names, token = page(all_names, request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def DeleteTopic(self, request: Pb) -> Pb:  # noqa: N802
        self._resources.topic(request.topic)
        for subscription in self._resources.of_topic(request.topic):
            subscription.settings.topic = DELETED_TOPIC
        del self._resources.topics[request.topic]
        self._resources.policies.pop(request.topic, None)
        return empty_pb2.Empty()

    async def DetachSubscription(self, request: Pb) -> Pb:  # noqa: N802
        subscription = self._resources.subscription(request.subscription)
        subscription.settings.detached = True
        subscription.clear()
        await self._start_or_stop_pushing(request.subscription)
        return types.DetachSubscriptionResponse.pb()()

    async def Publish(self, request: Pb) -> Pb:  # noqa: N802
        self._resources.topic(request.topic)
        check_messages(request)
        return types.PublishResponse.pb()(message_ids=self._resources.publish(request.topic, request.messages))
