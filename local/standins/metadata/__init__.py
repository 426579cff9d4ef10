"""The metadata server of one service account on one machine: the ID and access tokens that Cloud Run gives."""

from local.standins.metadata.standin import MetadataStandIn, add_arguments, from_arguments

__all__ = ["MetadataStandIn", "add_arguments", "from_arguments"]
