import os

# gRPC's own log of connections that a test ends on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
