"""The whole system on one machine. Never deployed."""

import os

# Functions are started by a process in which gRPC's threads run. Its fork handlers may find their poller closed and end
# that process; gRPC reads this when it starts, so it stands before any module of this package can import it.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
