"""Between the wire and every stand-in: applies planted faults and keeps the ledger, for HTTP (ASGI) and gRPC alike."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, cast

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from local.standins.faults import Fault, FaultBook, Service
from local.standins.ledger import Call, Ledger, current_call

Kill = Callable[[int], Awaitable[None]]
"""Ends the function worker that holds this local TCP port with SIGKILL; returns once it is dead."""
ErrorBody = Callable[[int, float | None], tuple[bytes, dict[str, str]]]
"""A service's own error body and headers for an HTTP status and a retry delay in seconds."""

Ending = Literal["killed", "killed after", "dropped", "dropped after", "cut"]
"""How a fault ended a call; without `after` it had no effect."""

_GRPC_OF_HTTP = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


async def _nobody_to_kill(port: int) -> None:
    """Kill nothing: a stand-in that runs alone knows no functions."""


class Tap:
    """The faults, the ledger and the killer that all stand-ins of one local system share."""

    def __init__(
        self, faults: FaultBook | None = None, ledger: Ledger | None = None, kill: Kill = _nobody_to_kill
    ) -> None:
        self.faults = faults if faults is not None else FaultBook()
        self.ledger = ledger if ledger is not None else Ledger()
        self.kill = kill
        self.in_flight: Counter[Service] = Counter()
        """HTTP requests in progress, by service."""

    def http(self, service: Service, app: ASGIApp, error_body: ErrorBody) -> ASGIApp:
        """Wrap a stand-in's ASGI app."""

        async def tapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.in_flight[service] += 1
                try:
                    await _HttpCall(self, service, error_body, scope, receive, send).run(app)
                finally:
                    self.in_flight[service] -= 1
            else:
                await app(scope, receive, send)

        return tapped

    def grpc(self, service: Service) -> grpc.aio.ServerInterceptor:
        """Return the interceptor for a stand-in's `grpc.aio.server`."""
        return _GrpcTap(self, service)


class _HttpCall:
    def __init__(
        self, tap: Tap, service: Service, error_body: ErrorBody, scope: Scope, receive: Receive, send: Send
    ) -> None:
        query = scope.get("query_string", b"").decode("latin-1")
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        path = f"{raw_path}?{query}" if query else raw_path
        self._tap, self._error_body = tap, error_body
        self._scope, self._receive, self._send = scope, receive, send
        self._call = Call(service, scope["method"], path)
        self._fault = tap.faults.take(service, f"{scope['method']} {path}")
        self._chunks = 0
        self._dropped = False

    async def run(self, app: ASGIApp) -> None:
        current_call.set(self._call)
        self._tap.ledger.record(self._call)
        fault = self._fault
        if fault is None:
            await app(self._scope, self._counted_receive, self._counted_send)
            return
        await asyncio.sleep(fault.delay)
        if fault.kill == "before":
            await self._end("killed")
        elif fault.status is not None:
            await self._refuse(fault.status, fault.retry_delay)
        elif fault.drop in (True, "before"):
            await self._end("dropped")
        else:
            await app(self._scope, self._counted_receive, self._faulty_send)

    async def _counted_receive(self) -> AsgiMessage:
        message = await self._receive()
        self._call.bytes += len(message.get("body", b""))
        return message

    async def _counted_send(self, message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            self._call.status = message["status"]
        else:
            self._call.bytes += len(message.get("body", b""))
        await self._send(message)

    async def _faulty_send(self, message: AsgiMessage) -> None:
        assert self._fault is not None
        if self._dropped:
            return
        if self._fault.kill == "after":
            # The caller gets no part of the answer: with one it could go on until the signal reaches it.
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await self._end("killed after")
        elif self._fault.drop == "after":
            await self._end("dropped after")
        elif self._is_chunk(message) and self._cut():
            await self._end("cut")
        else:
            await self._counted_send(message)

    def _is_chunk(self, message: AsgiMessage) -> bool:
        return message["type"] == "http.response.body" and bool(message.get("body"))

    def _cut(self) -> bool:
        """Count one chunk of the answer. Return whether the fault cuts the answer here."""
        assert self._fault is not None
        self._chunks += 1
        return self._fault.cut_after is not None and self._chunks > self._fault.cut_after

    async def _end(self, how: Ending) -> None:
        self._call.status = how
        self._dropped = True
        if how in ("killed", "killed after"):
            client = self._scope.get("client")
            await self._tap.kill(client[1] if client else 0)
        # ASGI has no word for "hang up"; uvicorn's send is a bound method of the cycle that holds the transport.
        cast(Any, self._send).__self__.transport.abort()

    async def _refuse(self, status: int, retry_delay: float | None) -> None:
        body, headers = self._error_body(status, retry_delay)
        headers = {"content-length": str(len(body)), **headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        while (await self._counted_receive()).get("more_body"):
            pass
        await self._counted_send({"type": "http.response.start", "status": status, "headers": encoded})
        await self._counted_send({"type": "http.response.body", "body": body})


class _GrpcTap(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    def __init__(self, tap: Tap, service: Service) -> None:
        self._tap, self._service = tap, service

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        if handler is None:
            return handler
        name = details.method.rsplit("/", 1)[-1]
        if handler.request_streaming:
            wrapped, make = (
                self._stream(name, details.method, handler.stream_stream),
                grpc.stream_stream_rpc_method_handler,
            )
        elif handler.response_streaming:
            wrapped, make = (
                self._stream(name, details.method, handler.unary_stream),
                grpc.unary_stream_rpc_method_handler,
            )
        else:
            wrapped, make = self._unary(name, details.method, handler.unary_unary), grpc.unary_unary_rpc_method_handler
        return make(wrapped, handler.request_deserializer, handler.response_serializer)

    def _unary(self, name: str, path: str, inner: Any) -> Any:
        async def call(request: Message, context: grpc.aio.ServicerContext) -> Message:
            record, fault = self._begin(name, path, request)
            try:
                await self._before(fault, record, context)
                answer = cast(Message, await inner(request, context))
                record.bytes += answer.ByteSize()
                await self._after(fault, record, context)
            except BaseException:
                self._end(record, context)
                raise
            self._end(record, context)
            return answer

        return call

    def _stream(self, name: str, path: str, inner: Any) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
            record, fault = self._begin(name, path, request)
            try:
                await self._before(fault, record, context)
                sent = 0
                async for answer in inner(request, context):
                    if fault is not None and fault.cut_after is not None and sent >= fault.cut_after:
                        await _hang_up("cut", record, context)
                    if fault is not None and "after" in (fault.kill, fault.drop):
                        continue  # The caller gets no part of the answer.
                    yield answer
                    sent += 1
                    record.bytes += answer.ByteSize()
                await self._after(fault, record, context)
            finally:
                self._end(record, context)

        return call

    def _begin(self, name: str, path: str, request: Any) -> tuple[Call, Fault | None]:
        record = Call(self._service, name, path, bytes=request.ByteSize() if isinstance(request, Message) else 0)
        current_call.set(record)
        self._tap.ledger.record(record)
        return record, self._tap.faults.take(self._service, name)

    def _end(self, record: Call, context: grpc.aio.ServicerContext) -> None:
        if not record.status:
            code = context.code()
            record.status = code.name if isinstance(code, grpc.StatusCode) else "OK"

    async def _before(self, fault: Fault | None, record: Call, context: grpc.aio.ServicerContext) -> None:
        if fault is None:
            return
        await asyncio.sleep(fault.delay)
        if fault.kill == "before":
            await self._kill("killed", record, context)
        if fault.status is not None:
            await _refuse(fault.status, fault.retry_delay, record, context)
        if fault.drop in (True, "before"):
            await _hang_up("dropped", record, context)

    async def _after(self, fault: Fault | None, record: Call, context: grpc.aio.ServicerContext) -> None:
        if fault is None:
            return
        if fault.kill == "after":
            await self._kill("killed after", record, context)
        if fault.drop == "after":
            await _hang_up("dropped after", record, context)

    async def _kill(self, how: Ending, record: Call, context: grpc.aio.ServicerContext) -> None:
        record.status = how
        await self._tap.kill(int(context.peer().rsplit(":", 1)[-1]))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


async def _hang_up(how: Ending, record: Call, context: grpc.aio.ServicerContext) -> None:
    record.status = how
    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


async def _refuse(status: int, retry_delay: float | None, record: Call, context: grpc.aio.ServicerContext) -> None:
    code = _GRPC_OF_HTTP.get(status, grpc.StatusCode.UNAVAILABLE if status >= 500 else grpc.StatusCode.INVALID_ARGUMENT)
    record.status = code.name
    trailers: tuple[tuple[str, bytes], ...] = ()
    if retry_delay is not None:
        wait = duration_pb2.Duration()
        wait.FromNanoseconds(int(retry_delay * 1e9))
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=wait))
        rich = status_pb2.Status(code=code.value[0], message="a planted fault", details=[detail])
        trailers = (("grpc-status-details-bin", rich.SerializeToString()),)
    await context.abort(code, "a planted fault", trailers)
