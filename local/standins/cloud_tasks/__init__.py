"""Cloud Tasks on one machine."""

from local.standins.cloud_tasks.spec import QueueSpec
from local.standins.cloud_tasks.standin import QueueStandIn, add_arguments, from_arguments

__all__ = ["QueueSpec", "QueueStandIn", "add_arguments", "from_arguments"]
