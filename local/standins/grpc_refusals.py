"""The refusals of the gRPC stand-ins, raised where a rule is broken and answered where the call is served."""

from __future__ import annotations

import grpc


class Refusal(Exception):
    """A call that ends with a gRPC status other than OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
