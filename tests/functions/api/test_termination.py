"""A real gunicorn worker that is told to stop: its open streams end by themselves, and another instance goes on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from tests.environment import free_port
from tests.functions.api.conftest import ROOT, System
from tests.functions.api.routes.test_stream import TEXT, submitted

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Served:
    """The api as functions-framework serves it, in processes of its own."""

    process: asyncio.subprocess.Process
    url: str


@pytest_asyncio.fixture(loop_scope="session")
async def served(system: System) -> AsyncIterator[Served]:
    port = free_port()
    environment = {
        **os.environ,
        "FUNCTION_TARGET": "api",
        "FUNCTION_SOURCE": str(ROOT / "functions" / "api" / "main.py"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WORKERS": "1",
        "PYTHONPATH": str(ROOT),
        "GRPC_VERBOSITY": "ERROR",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from functions_framework._cli import _cli; _cli()",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    served = Served(process, f"http://127.0.0.1:{port}")
    try:
        async with httpx2.AsyncClient(timeout=60) as client:
            while not await _answers(client, served.url):
                await asyncio.sleep(0.05)
        yield served
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health")).is_success
    except httpx2.TransportError:
        return False


async def test_a_stream_ends_with_the_offset_to_go_on_at_and_another_instance_goes_on(
    system: System, served: Served
) -> None:
    system.gemini.set_model({"text": TEXT, "chunks": 12, "latency": "6s"})
    secret = await system.key("terminated")
    task = await submitted(system, secret)
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=60) as client,
        client.stream("GET", task["stream"]["url"]) as answer,
    ):
        lines = answer.aiter_lines()
        heard = [await anext(lines) for _ in range(5)]
        served.process.terminate()
        heard += [line async for line in lines]
    error = json.loads(heard[heard.index("event: error") + 1].removeprefix("data: "))
    assert error["error"]["code"] == "stream_interrupted"
    offset = sum(line == "event: chunk" for line in heard)
    async with system.client(secret) as other:
        rest = await other.get(task["stream"]["url"], params={"offset": offset})
    chunks = [json.loads(line[6:]) for line in [*heard, *rest.text.splitlines()] if line.startswith('data: {"id"')]
    streamed = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert streamed == TEXT
