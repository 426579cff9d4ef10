"""Which notification configurations of a bucket the service takes; they are kept, and send nothing."""

from __future__ import annotations

import re

from local.standins.storage.errors import invalid
from local.standins.storage.records import Json

MOST = 100
"""Notification configurations of one bucket."""
_TOPIC = re.compile(r"//pubsub\.googleapis\.com/projects/[^/]+/topics/[^/]+")
_EVENT_TYPES = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
_PAYLOAD_FORMATS = ("JSON_API_V1", "NONE")


def check_notification(config: Json) -> None:
    """Raise the 400 for a configuration whose topic, payload format, event types or attributes are missing or wrong."""
    if not _TOPIC.fullmatch(config.get("topic") or ""):
        raise invalid(
            "Invalid Google Cloud Pub/Sub topic. It should look like '//pubsub.googleapis.com/projects/*/topics/*'."
        )
    if config.get("payload_format") not in _PAYLOAD_FORMATS:
        raise invalid(f"Invalid payload format: {config.get('payload_format') or '(none)'}")
    if unknown := [kind for kind in config.get("event_types") or () if kind not in _EVENT_TYPES]:
        raise invalid(f"Invalid event type: {unknown[0]}")
    for name, value in (config.get("custom_attributes") or {}).items():
        if not isinstance(value, str):
            raise invalid(f"Invalid value at 'custom_attributes.{name}': a string is expected.")
