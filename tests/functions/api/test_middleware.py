"""What every response gets: a request id, no body for HEAD, and a JSON error for a crash before the first byte."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api import routes
from functions.api.middleware import RequestMiddleware, may_repeat
from functions.api.request_state import request_state


async def call(app: ASGIApp, *, method: str = "GET", **headers: str) -> list[Message]:
    """Return the messages that the middleware sends for one request."""
    sent: list[Message] = []
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/v1/tasks", "headers": encoded}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await RequestMiddleware(app)(scope, receive, send)
    return sent


def headers_of(messages: list[Message]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in messages[0]["headers"]}


async def greeting(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"" if scope["method"] == "HEAD" else b"hello"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def test_a_well_formed_request_id_is_returned_and_any_other_replaced() -> None:
    assert headers_of(await call(greeting, x_request_id="job-7.a"))["x-request-id"] == "job-7.a"
    for unusable in ("", "a b", "x" * 129, "é"):
        assert headers_of(await call(greeting, x_request_id=unusable))["x-request-id"].startswith("req-")


async def test_head_is_answered_like_get_but_without_a_body() -> None:
    messages = await call(greeting, method="HEAD")
    assert headers_of(messages)["content-length"] == "5"
    assert messages[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


async def test_headers_of_the_request_state_are_added_but_replace_none() -> None:
    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        request_state().headers.update({"RateLimit": "r=1", "Content-Length": "99"})
        await greeting(scope, receive, send)

    headers = headers_of(await call(limited))
    assert headers["ratelimit"] == "r=1"
    assert headers["content-length"] == "5"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError])
async def test_a_crash_before_the_response_is_a_json_error_with_the_request_id(error: type[Exception]) -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        raise error("a secret detail")

    messages = await call(crash, x_request_id="job-7")
    shown = json.loads(messages[1]["body"])["error"]
    assert messages[0]["status"] == 500
    assert shown["request_id"] == "job-7"
    assert "secret" not in shown["message"]


async def test_a_crash_within_the_response_is_not_turned_into_a_clean_end() -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await call(crash)


async def test_the_end_points_that_take_an_idempotency_key_are_the_ones_that_may_be_repeated_with_it() -> None:
    taking = {
        route.path.replace("{task_id}", "task-llm-1"): "idempotency_key" in inspect.signature(route.endpoint).parameters
        for module in pkgutil.iter_modules(routes.__path__)
        for route in importlib.import_module(f"{routes.__name__}.{module.name}").router.routes
        if route.methods & {"POST", "PUT"}
    }
    assert {path for path, takes in taking.items() if takes} >= {"/process", "/v1/tasks/task-llm-1/rerun"}
    for path, takes in taking.items():
        scope = {"method": "POST", "path": path, "headers": [(b"idempotency-key", b"one")]}
        assert may_repeat(scope) is takes, path


async def test_a_caller_who_goes_away_is_no_error() -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    assert await call(gone) == []
