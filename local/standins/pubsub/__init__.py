"""A stand-in for Pub/Sub that the real clients talk to over gRPC. It keeps nothing beyond its process."""

from local.standins.pubsub.standin import PubSubStandIn, add_arguments, from_arguments

__all__ = ["PubSubStandIn", "add_arguments", "from_arguments"]
