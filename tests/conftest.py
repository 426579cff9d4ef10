import os

# The tests start processes while gRPC's threads run: its fork handlers would stop them and may never start them again.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# gRPC's own log of connections that a test ends on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
