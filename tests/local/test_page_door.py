"""What the page has on the local system only: a sign-in that works once, samples, and a part of the control server."""

from __future__ import annotations

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from local.page_door import SAMPLE_NAMES, PageDoor

KEY = "sk-local"


async def answer_as(name: str, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await JSONResponse({"by": name, "path": request.url.path, "host": request.headers.get("host")})(
        scope, receive, send
    )


async def api(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_as("api", scope, receive, send)


async def control(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_as("control", scope, receive, send)


@pytest.fixture
def door() -> PageDoor:
    return PageDoor(api, control, lambda: KEY)


def client(door: PageDoor, key: str | None = KEY) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=door), base_url="http://127.0.0.1:8080", headers=headers
    )


async def test_everything_else_reaches_the_function(door: PageDoor) -> None:
    async with client(door, None) as http:
        answer = await http.get("/v1/tasks")
    assert (answer.json()["by"], answer.json()["path"]) == ("api", "/v1/tasks")


async def test_a_code_gives_the_key_once(door: PageDoor) -> None:
    code = door.new_code()
    async with client(door, None) as http:
        first = await http.post("/local/sign-in", json={"code": code})
        again = await http.post("/local/sign-in", json={"code": code})
    assert (first.status_code, first.json()) == (200, {"key": KEY})
    assert first.headers["cache-control"] == "no-store"
    assert again.status_code == 401


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"code": "guess"}', {"content-type": "application/json"}, 401),
        (b"not json", {"content-type": "application/json"}, 422),
        (b"[]", {"content-type": "application/json"}, 422),
        (b'{"code": ["a"]}', {"content-type": "application/json"}, 422),
        # What a form of another page could send.
        (b'{"code": "guess"}', {"content-type": "text/plain"}, 405),
    ],
)
async def test_other_sign_ins_are_refused(door: PageDoor, content: bytes, headers: dict[str, str], status: int) -> None:
    async with client(door, None) as http:
        answer = await http.post("/local/sign-in", content=content, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("key", [None, "sk-other"])
async def test_samples_and_switches_need_the_local_key(door: PageDoor, key: str | None) -> None:
    async with client(door, key) as http:
        answers = [await http.get("/local/samples/photo.jpg"), await http.get("/local/control/faults")]
    assert [answer.status_code for answer in answers] == [401, 401]


async def test_samples_are_served_and_no_other_file_is(door: PageDoor) -> None:
    async with client(door) as http:
        samples = [await http.get(f"/local/samples/{name}") for name in SAMPLE_NAMES]
        outside = await http.get("/local/samples/..%2F..%2Fpyproject.toml")
    assert {sample.status_code for sample in samples} == {200}
    assert all(sample.content for sample in samples)
    assert outside.status_code == 404


async def test_the_switches_reach_a_part_of_the_control_server(door: PageDoor) -> None:
    async with client(door) as http:
        allowed = await http.post("/local/control/kill", json={"function": "generate"})
        others = [
            await http.get("/local/control/requests"),
            await http.post("/local/control/dispatches/lose", json={}),
            await http.get("/local/control/../v1/tasks"),
        ]
    assert allowed.json() == {"by": "control", "path": "/kill", "host": "127.0.0.1"}
    assert all(answer.status_code == 404 or answer.json().get("by") == "api" for answer in others)
