"""A worker that a fault kills after a call must not have got any part of the answer: with one it could go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from google.api_core import exceptions as api_errors
from google.cloud import firestore
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from local.standins.faults import Fault
from local.standins.firestore import FirestoreStandIn
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock


async def _stream(_: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingResponse(pieces())


@pytest.fixture
def killed() -> list[int]:
    """The ports of the connections whose holders were killed."""
    return []


@pytest.fixture
def tap(killed: list[int]) -> Tap:
    async def kill(port: int) -> None:
        killed.append(port)

    return Tap(kill=kill)


@pytest.fixture
async def url(tap: Tap) -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/pieces", _stream)])
    server = HttpServer(tap.http("gemini", app, lambda _status, _delay: (b"", {})))
    yield f"http://127.0.0.1:{await server.start()}/pieces"
    await server.stop()


async def test_no_piece_of_a_streamed_http_answer_arrives_before_the_kill(
    url: str, tap: Tap, killed: list[int]
) -> None:
    tap.faults.add([Fault(service="gemini", kill="after", times=1)])
    async with httpx2.AsyncClient(timeout=60) as client:
        with pytest.raises(httpx2.TransportError):
            async with client.stream("GET", url) as answer:
                pytest.fail(f"the caller saw {answer.status_code}")
        assert len(killed) == 1
        assert tap.ledger.calls("gemini")[0]["status"] == "killed after"
        assert (await client.get(url)).text == "onetwo"


@pytest.mark.parametrize("effect", ["kill", "drop"])
async def test_no_document_of_a_streamed_rpc_arrives_before_the_end(
    effect: str, tap: Tap, killed: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = FirestoreStandIn(clock=MovableClock(tmp_path / "clock"), data=None, tap=tap)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{await stand_in.start()}")
    client = firestore.AsyncClient(project="test")
    document = client.document("tasks/one")
    await document.set({"a": 1})
    tap.faults.add([Fault.model_validate({"service": "firestore", "match": "BatchGet", effect: "after", "times": 1})])
    with pytest.raises(api_errors.ServiceUnavailable):
        await document.get(retry=None)
    assert len(killed) == (effect == "kill")
    assert (await document.get()).to_dict() == {"a": 1}
    await client._firestore_api.transport.close()
    await stand_in.stop()
