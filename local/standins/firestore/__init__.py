"""A stand-in for Cloud Firestore (Native mode) that Google's clients talk to over gRPC."""

from local.standins.firestore.server import FirestoreStandIn, add_arguments, from_arguments

__all__ = ["FirestoreStandIn", "add_arguments", "from_arguments"]
