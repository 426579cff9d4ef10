"""The topics, subscriptions and policies of the stand-in, and how a message goes from a topic to its subscriptions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import grpc
from google.iam.v1 import policy_pb2
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal
from local.standins.pubsub.rules import Pb, check_name, missing
from local.standins.pubsub.subscription import Leased, Subscription
from shared.clock import Clock

DELETED_TOPIC = "_deleted-topic_"


class Resources:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.topics: dict[str, Pb] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.policies: dict[str, Pb] = {}
        self._message_ids = itertools.count(1)

    def topic(self, name: str) -> Pb:
        check_name(name, "topics")
        if name not in self.topics:
            raise missing(name)
        return self.topics[name]

    def subscription(self, name: str) -> Subscription:
        check_name(name, "subscriptions")
        if name not in self.subscriptions:
            raise missing(name)
        return self.subscriptions[name]

    def attached(self, name: str) -> Subscription:
        """Return a subscription that can be pulled from."""
        subscription = self.subscription(name)
        if subscription.settings.detached:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f"The subscription is detached (resource={name}).")
        return subscription

    def of_topic(self, topic: str) -> list[Subscription]:
        return [subscription for _, subscription in sorted(self.subscriptions.items())
                if subscription.settings.topic == topic and not subscription.settings.detached]  # fmt: skip

    def tell_retention(self, topic: str) -> None:
        """Note in the topic's subscriptions how long the topic keeps messages for them."""
        for subscription in self.of_topic(topic):
            subscription.settings.ClearField("topic_message_retention_duration")
            if self.topics[topic].HasField("message_retention_duration"):
                kept = self.topics[topic].message_retention_duration
                subscription.settings.topic_message_retention_duration.CopyFrom(kept)

    def policy(self, resource: str) -> Pb:
        if resource not in self.topics and resource not in self.subscriptions:
            raise missing(resource)
        return self.policies.get(resource, policy_pb2.Policy(etag=b"ACAB"))

    def publish(self, topic: str, messages: Sequence[Pb]) -> list[str]:
        """Give each message an id and the time, and add it to the topic's subscriptions. Return the ids."""
        for message in messages:
            message.message_id = f"{next(self._message_ids):016d}"
            message.publish_time.FromMicroseconds(int(self.clock.time() * 1e6))
            for subscription in self.of_topic(topic):
                subscription.add(message)
        return [message.message_id for message in messages]

    def forward_dead_letters(self) -> None:
        """Publish what was delivered too often to its dead letter topic, if that exists still."""
        for subscription in list(self.subscriptions.values()):
            if (topic := subscription.settings.dead_letter_policy.dead_letter_topic) in self.topics:
                letters = [_dead_letter(leased, subscription.settings) for leased in subscription.take_undeliverable()]
                self.publish(topic, letters)


def _dead_letter(leased: Leased, settings: Pb) -> Pb:
    """Return the message with the attributes that tell where it comes from."""
    _, project, _, subscription = settings.name.split("/")
    letter = types.PubsubMessage.pb()()
    letter.CopyFrom(leased.message)
    letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = str(leased.attempt)
    letter.attributes["CloudPubSubDeadLetterSourceSubscription"] = subscription
    letter.attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = project
    letter.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = leased.message.publish_time.ToJsonString()
    return letter
