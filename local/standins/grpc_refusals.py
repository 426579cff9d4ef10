"""The refusals of the gRPC stand-ins, raised where a rule is broken and answered where the call is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from local.standins.ledger import current_call


class Refusal(Exception):
    """A call that ends with a gRPC status other than OK. `reasons` is what its ErrorInfo tells, if there is any."""

    def __init__(self, code: grpc.StatusCode, message: str, reasons: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.reasons = code, message, reasons

    @property
    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        if not self.reasons:
            return ()
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(metadata=self.reasons))
        number: int = self.code.value[0]
        status = status_pb2.Status(code=number, message=self.message, details=[detail])
        return (("grpc-status-details-bin", status.SerializeToString()),)


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


async def refuse(context: grpc.aio.ServicerContext, refusal: Refusal) -> NoReturn:
    """End the current call. The ledger has its status before the caller has the answer."""
    current_call.get().status = refusal.code.name
    await context.abort(refusal.code, refusal.message, refusal.trailing_metadata)
    raise AssertionError("a call that was aborted goes on")
