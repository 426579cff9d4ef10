"""The refusals of the gRPC stand-ins, raised where a rule is broken and answered where the call is served."""

from __future__ import annotations

from typing import NoReturn

import grpc
import grpc.aio

from local.standins.ledger import current_call


class Refusal(Exception):
    """A call that ends with a gRPC status other than OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


async def refuse(context: grpc.aio.ServicerContext, refusal: Refusal) -> NoReturn:
    """End the current call. The ledger has its status before the caller has the answer."""
    current_call.get().status = refusal.code.name
    await context.abort(refusal.code, refusal.message)
    raise AssertionError("a call that was aborted goes on")
