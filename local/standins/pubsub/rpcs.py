"""How calls over gRPC are served: their handlers, the pages of lists, and the refusal of calls that are not offered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import grpc
import grpc.aio

from local.standins.grpc_refusals import Refusal, invalid, refuse
from local.standins.pubsub.rules import Pb, not_served

Rpcs: TypeAlias = dict[str, tuple[Pb, Pb]]
"""The classes of request and answer, by the RPC's name."""

_LARGEST_PAGE = 1000


def handler(service: str, served: Any) -> grpc.GenericRpcHandler:
    """Return the handler of the calls in `served.rpcs`, each of which is a method of that name."""
    methods = {name: _unary(getattr(served, name), *kinds) for name, kinds in served.rpcs.items()}
    return grpc.method_handlers_generic_handler(service, methods)


def _unary(method: Any, request: Pb, answer: Pb) -> grpc.RpcMethodHandler:
    async def call(message: Pb, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await method(message)
        except Refusal as refusal:
            await refuse(context, refusal)

    return grpc.unary_unary_rpc_method_handler(call, request.FromString, answer.SerializeToString)


class NotServed(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the calls of Pub/Sub that no handler before it takes."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        service, _, name = handler_call_details.method.lstrip("/").partition("/")
        if not service.startswith("google.pubsub.v1."):
            return None
        refusal = not_served(name)

        async def call(message: bytes, context: grpc.aio.ServicerContext) -> None:
            await refuse(context, refusal)

        return grpc.unary_unary_rpc_method_handler(call)


def page(names: Collection[str], request: Pb, under: str = "") -> tuple[list[str], str]:
    """Return the names of a list's page, in order, and the token of the next page or an empty text."""
    if request.page_size < 0:
        raise invalid("page_size must not be negative.")
    left = sorted(name for name in names if name.startswith(under) and name > request.page_token)
    size = min(request.page_size or _LARGEST_PAGE, _LARGEST_PAGE)
    return left[:size], left[size - 1] if len(left) > size else ""
