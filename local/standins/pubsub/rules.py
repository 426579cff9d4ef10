"""What Pub/Sub accepts: names, sizes of messages, settings of subscriptions; and the errors for the rest."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1 import types

from local.standins.grpc_refusals import Refusal, invalid

Pb: TypeAlias = Any
"""A raw protobuf message of google.pubsub.v1; those classes are made at run time and have no types."""

# https://cloud.google.com/pubsub/quotas#resource_limits
LARGEST_REQUEST_BYTES = 10_000_000
MAX_MESSAGES = 1000
_MAX_ATTRIBUTES, _LONGEST_KEY, _LONGEST_VALUE = 100, 256, 1024
_SHORTEST_DEADLINE, _LONGEST_DEADLINE = 10, 600
_NAME = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}")
_NOT_SERVED = ("bigquery_config", "cloud_storage_config")
_NOT_SERVED_OF_TOPICS = ("schema_settings", "ingestion_data_source_settings")
_DEFAULT_RETENTION_SECONDS, _LEAST_RETENTION_SECONDS, _MAX_RETENTION_SECONDS = 7 * 86_400, 600, 31 * 86_400
_DEFAULT_EXPIRATION_SECONDS = 31 * 86_400
DEFAULT_DELIVERY_ATTEMPTS, _MAX_DELIVERY_ATTEMPTS = 5, 100
_LONGEST_ORDERING_KEY = 1024
CHANGEABLE_OF_TOPICS = frozenset({"labels", "message_storage_policy", "kms_key_name", "schema_settings",
                                  "message_retention_duration", "ingestion_data_source_settings",
                                  "message_transforms"})  # fmt: skip
CHANGEABLE_OF_SUBSCRIPTIONS = frozenset({"ack_deadline_seconds", "labels", "push_config", "retry_policy",
                                         "dead_letter_policy", "expiration_policy", "retain_acked_messages",
                                         "message_retention_duration", "enable_exactly_once_delivery"})  # fmt: skip
"""The fields that can be updated."""


def not_served(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"{what}: this stand-in for Pub/Sub does not offer it.")


def missing(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")


def exists(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists (resource={name.rpartition('/')[2]}).")


def check_name(name: str, kind: str) -> None:
    match = _NAME.fullmatch(name)
    if match is None or match[1] != kind:
        raise invalid(
            f"Invalid resource name given (name={name}): projects/PROJECT/{kind}/ID is expected, where ID has 3 to 255 "
            "characters, begins with a letter, and does not begin with goog."
        )


def check_messages(request: Pb) -> None:
    if not request.messages or len(request.messages) > MAX_MESSAGES:
        raise invalid(f"A publish request has 1 to {MAX_MESSAGES} messages.")
    if request.ByteSize() > LARGEST_REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {LARGEST_REQUEST_BYTES} bytes.")
    for message in request.messages:
        if not message.data and not message.attributes:
            raise invalid("Some messages in the request are empty: data or an attribute is needed.")
        if len(message.ordering_key.encode()) > _LONGEST_ORDERING_KEY:
            raise invalid(f"An ordering key has {_LONGEST_ORDERING_KEY} bytes at most.")
        _check_attributes(message.attributes)


def _check_attributes(attributes: Pb) -> None:
    if len(attributes) > _MAX_ATTRIBUTES:
        raise invalid(f"A message has {_MAX_ATTRIBUTES} attributes at most.")
    for key, value in attributes.items():
        if not key or key.startswith("goog") or len(key.encode()) > _LONGEST_KEY:
            raise invalid(f"The attribute key {key!r} is empty, longer than {_LONGEST_KEY} bytes or begins with goog.")
        if len(value.encode()) > _LONGEST_VALUE:
            raise invalid(f"The attribute {key!r} is longer than {_LONGEST_VALUE} bytes.")


def prepare_topic(submitted: Pb) -> Pb:
    """Return the topic as the service keeps it."""
    _refuse_unserved(submitted, _NOT_SERVED_OF_TOPICS)
    topic = types.Topic.pb()()
    topic.CopyFrom(submitted)
    if topic.HasField("message_retention_duration"):
        _check_retention(topic.message_retention_duration)
    topic.state = types.Topic.State.ACTIVE
    return topic


def prepare_subscription(submitted: Pb) -> Pb:
    """Return the subscription as the service keeps it, with defaults."""
    _refuse_unserved(submitted, _NOT_SERVED)
    subscription = types.Subscription.pb()()
    subscription.CopyFrom(submitted)
    subscription.ack_deadline_seconds = submitted.ack_deadline_seconds or _SHORTEST_DEADLINE
    check_deadline(subscription.ack_deadline_seconds)
    if not submitted.HasField("message_retention_duration"):
        subscription.message_retention_duration.FromSeconds(_DEFAULT_RETENTION_SECONDS)
    if not submitted.HasField("expiration_policy"):
        subscription.expiration_policy.ttl.FromSeconds(_DEFAULT_EXPIRATION_SECONDS)
    _check_retention(subscription.message_retention_duration)
    _check_push(subscription)
    if subscription.HasField("dead_letter_policy"):
        _prepare_dead_letters(subscription.dead_letter_policy)
    subscription.state = types.Subscription.State.ACTIVE
    return subscription


def _refuse_unserved(submitted: Pb, fields: tuple[str, ...]) -> None:
    for field in fields:
        if submitted.HasField(field):
            raise not_served(field)
    if submitted.message_transforms:
        raise not_served("message_transforms")


def _check_retention(duration: Pb) -> None:
    if not _LEAST_RETENTION_SECONDS <= duration.seconds <= _MAX_RETENTION_SECONDS:
        raise invalid("Invalid message retention duration given: 10 minutes to 31 days.")


def _check_push(subscription: Pb) -> None:
    push = subscription.push_config
    if push.HasField("no_wrapper"):
        raise not_served("Unwrapped push")
    if push.push_endpoint and not _can_be_pushed_to(push.push_endpoint):
        raise invalid(f"Invalid push endpoint given (endpoint={push.push_endpoint}).")
    if push.push_endpoint and subscription.enable_exactly_once_delivery:
        raise invalid("Exactly-once delivery is for pull subscriptions only.")


def _can_be_pushed_to(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        parts.port  # noqa: B018 - raises ValueError if it is not a port's number
    except ValueError:
        return False
    on_this_machine = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    return endpoint.isascii() and bool(parts.hostname) and (parts.scheme == "https" or on_this_machine)


def _prepare_dead_letters(policy: Pb) -> None:
    check_name(policy.dead_letter_topic, "topics")
    policy.max_delivery_attempts = policy.max_delivery_attempts or DEFAULT_DELIVERY_ATTEMPTS
    if not DEFAULT_DELIVERY_ATTEMPTS <= policy.max_delivery_attempts <= _MAX_DELIVERY_ATTEMPTS:
        raise invalid(f"max_delivery_attempts is {DEFAULT_DELIVERY_ATTEMPTS} to {_MAX_DELIVERY_ATTEMPTS}.")


def check_deadline(seconds: int) -> None:
    if not _SHORTEST_DEADLINE <= seconds <= _LONGEST_DEADLINE:
        raise invalid(f"Invalid ack deadline given (ack_deadline_secs={seconds}): 10 to 600 s.")


def check_new_deadline(seconds: int) -> None:
    """Check the deadline that a delivered message is to have from now on; 0 gives it back."""
    if not 0 <= seconds <= _LONGEST_DEADLINE:
        raise invalid(f"Invalid ack deadline given (ack_deadline_secs={seconds}): 0 to 600 s.")


def check_mask(mask: Pb, kind: Pb, changeable: Collection[str]) -> None:
    """Check the paths of an update's mask: they name fields of the class, or of what these consist of."""
    if not mask.paths:
        raise invalid("The update_mask must be set, and must contain a non-empty paths list.")
    for path in mask.paths:
        if path.partition(".")[0] not in changeable or not FieldMask(paths=[path]).IsValidForDescriptor(
            kind.DESCRIPTOR
        ):
            raise invalid(f"Invalid update_mask: {path} is not a known or mutable field.")
