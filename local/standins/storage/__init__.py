"""A stand-in for Cloud Storage that the real client talks to over the JSON API."""

from local.standins.storage.standin import StorageStandIn, add_arguments, from_arguments

__all__ = ["StorageStandIn", "add_arguments", "from_arguments"]
