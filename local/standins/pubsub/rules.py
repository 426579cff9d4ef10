"""What Pub/Sub accepts: names, sizes of messages, settings of subscriptions; and the errors for the rest."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import grpc
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal, invalid

Pb: TypeAlias = Any
"""A raw protobuf message of google.pubsub.v1; those classes are made at run time and have no types."""

# https://cloud.google.com/pubsub/quotas#resource_limits
LARGEST_REQUEST_BYTES = 10_000_000
MOST_MESSAGES = 1000
_MOST_ATTRIBUTES, _LONGEST_KEY, _LONGEST_VALUE = 100, 256, 1024
_SHORTEST_DEADLINE, _LONGEST_DEADLINE = 10, 600
_NAME = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}")
_NOT_SERVED = ("dead_letter_policy", "bigquery_config", "cloud_storage_config")
_NOT_SERVED_FLAGS = ("enable_message_ordering", "enable_exactly_once_delivery", "detached")


def not_served(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"{what}: this stand-in for Pub/Sub does not offer it.")


def missing(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")


def check_name(name: str, kind: str) -> None:
    match = _NAME.fullmatch(name)
    if match is None or match[1] != kind:
        raise invalid(f"Invalid resource name given (name={name}): projects/PROJECT/{kind}/ID is expected.")


def check_messages(request: Pb) -> None:
    if not request.messages or len(request.messages) > MOST_MESSAGES:
        raise invalid(f"A publish request has 1 to {MOST_MESSAGES} messages.")
    if request.ByteSize() > LARGEST_REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {LARGEST_REQUEST_BYTES} bytes.")
    for message in request.messages:
        if not message.data and not message.attributes:
            raise invalid("Some messages in the request are empty: data or an attribute is needed.")
        if message.ordering_key:
            raise not_served("Ordering keys")
        _check_attributes(message.attributes)


def _check_attributes(attributes: Pb) -> None:
    if len(attributes) > _MOST_ATTRIBUTES:
        raise invalid(f"A message has {_MOST_ATTRIBUTES} attributes at most.")
    for key, value in attributes.items():
        if not key or key.startswith("goog") or len(key.encode()) > _LONGEST_KEY:
            raise invalid(f"The attribute key {key!r} is empty, longer than {_LONGEST_KEY} bytes or begins with goog.")
        if len(value.encode()) > _LONGEST_VALUE:
            raise invalid(f"The attribute {key!r} is longer than {_LONGEST_VALUE} bytes.")


def prepare_subscription(submitted: Pb) -> Pb:
    """Return the subscription as the service keeps it, with defaults."""
    for field in _NOT_SERVED:
        if submitted.HasField(field):
            raise not_served(field)
    for flag in _NOT_SERVED_FLAGS:
        if getattr(submitted, flag):
            raise not_served(flag)
    subscription = types.Subscription.pb()()
    subscription.CopyFrom(submitted)
    subscription.ack_deadline_seconds = submitted.ack_deadline_seconds or _SHORTEST_DEADLINE
    check_deadline(subscription.ack_deadline_seconds)
    push = subscription.push_config
    if push.HasField("no_wrapper"):
        raise not_served("Unwrapped push")
    if push.push_endpoint and not push.push_endpoint.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise invalid(f"Invalid push endpoint given (endpoint={push.push_endpoint}).")
    subscription.state = types.Subscription.State.ACTIVE
    return subscription


def check_deadline(seconds: int) -> None:
    if not _SHORTEST_DEADLINE <= seconds <= _LONGEST_DEADLINE:
        raise invalid(f"Invalid ack deadline given (ack_deadline_secs={seconds}): 10 to 600 s.")
