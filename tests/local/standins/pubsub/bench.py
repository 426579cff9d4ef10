"""The real clients of a stand-in for Pub/Sub, and short forms of the calls that most tests make."""

from __future__ import annotations

from typing import Any

import grpc.aio
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from local.standins.pubsub.rules import Pb, prepare_subscription
from local.standins.pubsub.subscription import Subscription
from shared.clock import Clock, MovableClock

TOPIC = "projects/test/topics/events"


class Bench:
    def __init__(self, endpoint: str, clock: MovableClock) -> None:
        self.clock, self.endpoint = clock, endpoint
        channels = [grpc.aio.insecure_channel(endpoint) for _ in range(2)]
        self.publisher: Any = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channels[0]))
        self.subscriber: Any = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channels[1]))

    async def subscribe(self, name: str, **settings: object) -> str:
        path = f"projects/test/subscriptions/{name}"
        await self.subscriber.create_subscription(request={"name": path, "topic": TOPIC, **settings})
        return path

    async def publish(self, data: bytes, **attributes: str) -> str:
        message = {"data": data, "attributes": attributes}
        answer = await self.publisher.publish(topic=TOPIC, messages=[message])
        return str(answer.message_ids[0])

    async def pull(self, path: str) -> list[Any]:
        request = {"subscription": path, "max_messages": 10, "return_immediately": True}
        return list((await self.subscriber.pull(request=request)).received_messages)


def subscription_with(clock: Clock, **settings: object) -> Subscription:
    """A subscription without a server."""
    return Subscription(prepare_subscription(types.Subscription.pb(types.Subscription(**settings))), clock)


def message(clock: Clock, number: int, key: str = "") -> Pb:
    made = types.PubsubMessage.pb()(message_id=f"{number:016d}", data=b"%d" % number, ordering_key=key)
    made.publish_time.FromMicroseconds(int(clock.time() * 1e6))
    return made
