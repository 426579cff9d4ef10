"""Cloud Tasks on one machine."""

from functions.local.queue.spec import QueueSpec
from functions.local.queue.standin import QueueStandIn, add_arguments, from_arguments

__all__ = ["QueueSpec", "QueueStandIn", "add_arguments", "from_arguments"]
