"""Odd paths, queries and headers are answered with what is wrong with them, and never with a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.api.conftest import System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

TASK = "task-llm-1776874565-yq3szvcu"
PATHS = [
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v1/tasks/",
    "/v1//tasks",
    "/v1/tasks//",
    f"/v1/tasks/{TASK}/",
    f"/v1/tasks/{TASK}//cancel",
    "/v1/tasks/%2F",
    "/v1/tasks/..",
    "/v1/tasks/../models",
    "/v1/tasks/%2e%2e/models",
    "/v1/tasks/%00",
    "/v1/tasks/%0a",
    "/v1/tasks/%ff%fe",
    "/v1/tasks/%F0%9F%A5%A4",
    "/v1/tasks/%ED%A0%80",
    "/v1/tasks/" + "a" * 8000,
    "/v1/models/%2F%2F",
    f"/v1/tasks/{TASK.upper()}",
    f"/v1/tasks/{TASK}%20",
    f"/v1/tasks/{TASK}%00",
    f"/v1/tasks/{TASK};x=1",
    "/v1/models/..%2f..%2fetc%2fpasswd",
    "/v1/models/" + "%C3%A9" * 500,
    "/v1/models/%E2%80%AE",
    "/V1/TASKS",
    "/v1/llm/generations/%2e/stream",
    "/v1/tasks/task-llm-9999999999999-yq3szvcu",
    "/openapi.json/",
    "/docs/",
    "/health/",
]
QUERIES = [
    "limit=1e9",
    "limit=1000000000",
    "limit=-1",
    "limit=0",
    "limit=NaN",
    "limit=Infinity",
    "limit=",
    "limit",
    "limit=1&limit=x",
    "limit=" + "9" * 5000,
    "limit=0x10",
    "limit=%D9%A1",
    "limit=1.0",
    "limit=%00",
    "after=",
    "after=x",
    f"after={TASK}",
    "after=" + "x" * 8000,
    "status=",
    "status=done",
    "status=completed&status=failed",
    "object=",
    "object=gs://",
    "object=gs://a",
    "object=gs://a/%00",
    "object=gs://a/%ff",
    "object=gs:///x",
    "prefix=gs://a/" + "x" * 3000,
    "prefix=gs://%2e%2e/x",
    "prefix=gs://a/%F0%9F%A5%A4",
    "object=gs://a/b&prefix=gs://c/d",
    "unknown=1",
    "&&&",
    "=",
    "%",
    "%zz",
    "limit=5;after=x",
]
WAITS = ["-1", "61", "1e9", "NaN", "", "0.5", "9" * 4000, "%00", "1&wait=x", "true"]
OFFSETS = ["-1", "1e3", "NaN", "", "9" * 400, "10000001", "%ff", "0&offset=x"]
HEADERS: list[dict[str, str | bytes]] = [
    {"Accept": ""},
    {"Accept": "*/*;q=0"},
    {"Accept": ";;;,,,"},
    {"Accept": "text/html;q=x"},
    {"Accept": b"\xff\xfe"},
    {"Accept": "application/problem+json;q=0.1, */*"},
    {"Accept": "a," * 2000},
    {"If-None-Match": ""},
    {"If-None-Match": ","},
    {"If-None-Match": '"a", W/"b", *'},
    {"If-None-Match": b'"\xff"'},
    {"If-None-Match": '"' * 4000},
    {"Last-Event-ID": ""},
    {"Last-Event-ID": "-1"},
    {"Last-Event-ID": "9" * 400},
    {"Last-Event-ID": b"\xb2"},
    {"Last-Event-ID": b"\xd9\xa1"},
    {"X-Request-Id": b"\xff"},
    {"X-Request-Id": "a" * 4000},
    {"Origin": "null"},
    {"Origin": b"\xff"},
    {"Content-Type": ""},
    {"Content-Type": b"\xff"},
    {"Content-Length": "0"},
    {"Range": "bytes=0-1"},
    {"Expect": "nothing"},
    {"Idempotency-Key": ""},
    {"Idempotency-Key": b"\xff" * 255},
    {"Idempotency-Key": "a" * 256},
    {"Accept-Encoding": "gzip;q=x"},
]
ODD_KEYS: list[str | bytes] = [
    "",
    "Bearer",
    "Bearer  sk-x",
    "bearer x",
    "Basic dTpw",
    "Bearer " + "x" * 6000,
    b"Bearer \xff",
    b"\xff\xff",
    "Bearer sk-" + "a" * 43 + " b",
    "Bearer sk-/../keys",
    "Bearer __name__",
    b"Bearer sk-\xc3\xa9" + b"a" * 43,
]


def in_bytes(headers: Mapping[str, str | bytes]) -> dict[bytes, bytes]:
    """Headers as they are to be sent, whatever encoding that is."""
    return {
        name.encode(): value if isinstance(value, bytes) else value.encode("latin-1") for name, value in headers.items()
    }


def refused_in_form(answer: Any) -> None:
    """An answer of the API's own, which is no server error."""
    message = (
        answer.request.method,
        str(answer.url)[:200],
        dict(answer.request.headers),
        answer.status_code,
        answer.text[:200],
    )
    assert answer.status_code < 500, message
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        body = answer.json()
        assert ("error" in body and body["error"]["message"]) or body.get("detail"), message


async def test_odd_paths(system: System) -> None:
    async with system.client(await system.key("odd-paths")) as client:
        for path in PATHS:
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
                refused_in_form(await client.request(method, system.url + path))


async def test_odd_queries(system: System) -> None:
    async with system.client(await system.key("odd-queries")) as client:
        task = (await client.post("/v1/llm/generations", json=request(stream=True))).json()
        await client.get(task["urls"]["get"], params={"wait": 60})
        urls = [f"/v1/tasks?{query}" for query in QUERIES]
        urls += [f"{task['urls']['get']}?wait={wait}" for wait in WAITS]
        urls += [f"{task['urls']['stream']}?offset={offset}" for offset in OFFSETS]
        for url in urls:
            refused_in_form(await client.get(url))
            refused_in_form(await client.head(url))


async def test_odd_headers(system: System) -> None:
    async with system.client(await system.key("odd-headers")) as client:
        task = (await client.post("/v1/llm/generations", json=request(stream=True))).json()
        await client.get(task["urls"]["get"], params={"wait": 60})
        for headers in HEADERS:
            for path in (task["urls"]["get"], task["urls"]["stream"], "/v1/tasks", "/health", "/nowhere"):
                refused_in_form(await client.get(path, headers=in_bytes(headers)))
            if "Content-Length" not in headers:
                refused_in_form(await client.post("/v1/llm/generations", headers=in_bytes(headers), content=b"{}"))
    async with system.client(None) as client:
        for key in ODD_KEYS:
            answer = await client.get("/v1/tasks", headers=in_bytes({"Authorization": key}))
            assert answer.status_code == 401, key
            assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"x", {tag}', 304),
        ('"x",W/"y" ,  W/{tag}', 304),
        ("*", 304),
        ('"x", *', 200),
        ('"x"', 200),
        ("{bare}", 200),
        ("", 200),
        ('"x{inside}y"', 200),
        ('"a,{bare},b"', 200),
    ],
)
async def test_a_tag_is_found_in_a_list_of_tags_and_nowhere_else(system: System, given: str, status: int) -> None:
    async with system.client(await system.key("tags")) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
        place = f"/v1/tasks/{task['id']}"
        tag = (await client.get(place, params={"wait": 60})).headers["etag"]
        await system.quiet()
        tag = (await client.get(place)).headers["etag"]
        bare = tag.strip('"')
        header = given.format(tag=tag, bare=bare, inside=bare)
        for method in ("GET", "HEAD"):
            answer = await client.request(method, place, headers={"If-None-Match": header})
            assert (answer.status_code, answer.headers["etag"]) == (status, tag)


async def test_head_tells_what_get_would(system: System) -> None:
    async with system.client(await system.key("heads")) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
        await system.quiet()
        for path in (
            f"/v1/tasks/{task['id']}",
            "/v1/tasks",
            "/v1/models",
            "/health",
            "/openapi.json",
            "/docs",
            "/nowhere",
        ):
            answer, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (answer.status_code, b""), path
            for name in ("content-type", "etag", "content-length", "ratelimit-policy"):
                assert head.headers.get(name) == answer.headers.get(name), (path, name)


ODD_TEXT = st.text(max_size=40) | st.sampled_from(["NaN", "1e309", "-0", "null", "\x00", "\ud7ff", "%", "..", "𝟙", "١"])


@pytest.mark.long
async def test_any_query_and_header_is_answered(system: System) -> None:
    secret = await system.key("any")
    loop = asyncio.get_running_loop()

    async def asked(name: str, value: str, header: str) -> None:
        async with system.client(secret) as client:
            refused_in_form(await client.get("/v1/tasks", params={name: value}))
            visible = header.encode("utf-8", "replace").translate(None, bytes(range(32)) + b"\x7f").strip()
            for field in ("If-None-Match", "Last-Event-ID", "Accept", "Idempotency-Key"):
                refused_in_form(await client.get(f"/v1/tasks/{TASK}", headers=in_bytes({field: visible})))

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(["limit", "after", "status", "object", "prefix"]), ODD_TEXT, ODD_TEXT)
    def tried(name: str, value: str, header: str) -> None:
        asyncio.run_coroutine_threadsafe(asked(name, value, header), loop).result(30)

    await asyncio.to_thread(tried)


async def test_a_body_of_any_kind_is_refused_in_form(system: System) -> None:
    nested = "[" * 100_000
    bodies: list[bytes] = [
        nested.encode(),
        (nested + "]" * 100_000).encode(),
        b'{"model":' * 10_000,
        b"\x00" * 1000,
        b"\xff" * 1000,
        b"{}",
        b'{"model":1e400}',
        b'{"model":"a","model":"b"}',
        json.dumps({"metadata": {"a": 10**400}}).encode(),
        b'"\\ud800"',
        b'{"prompt":"\\ud800"}',
        b'{"model":' + b"9" * 10_000 + b"}",
    ]
    async with system.client(await system.key("any-body")) as client:
        for body in bodies:
            for path in ("/v1/llm/generations", f"/v1/tasks/{TASK}/rerun", f"/v1/tasks/{TASK}/cancel"):
                refused_in_form(await client.post(path, content=body))
