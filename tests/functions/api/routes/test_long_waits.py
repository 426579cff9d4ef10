"""A wait that lasts too long ends in 504 with the task's id, and the same request finds the task again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from tests.functions.api.conftest import SAMPLES, System

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

SPEECH = SAMPLES / "speech.wav"
QUESTION: Any = [{"role": "user", "content": "How long is a piece of string?"}]
Asked = Callable[[AsyncOpenAI], Awaitable[Any]]


async def transcription(client: AsyncOpenAI) -> Any:
    return await client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=SPEECH)


async def subtitles(client: AsyncOpenAI) -> Any:
    return await client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=SPEECH, response_format="srt"
    )


async def completion(client: AsyncOpenAI) -> Any:
    return await client.chat.completions.with_raw_response.create(
        model="gemini-3.8-flash", messages=QUESTION, extra_headers={"Idempotency-Key": "a-long-wait"}
    )


async def until_asked(system: System, secret: str) -> str:
    """Return the id of the key's task once its model is being asked."""
    async with system.client(secret) as client, asyncio.timeout(60):
        while True:
            tasks = (await client.get("/v1/tasks")).json()["data"]
            if tasks and tasks[0]["status"] == "processing" and _is_answering(system):
                return str(tasks[0]["id"])
            await asyncio.sleep(0.05)


def _is_answering(system: System) -> bool:
    """Whether the model has begun to answer: a file that is uploaded before is a call to Gemini, too."""
    newest = system.tap.ledger.calls("gemini")[-1:]
    asked = [call for call in newest if "enerateContent" in str(call["path"]) and call["status"] == 200]
    return bool(asked and system.tap.in_flight.get("gemini"))


async def while_time_passes(system: System, waiting: Awaitable[Any]) -> Any:
    """Return what is waited for. Seconds pass while the model answers; waits for a dispatch are skipped.

    More time would pass than a slow machine needs: a lease would end while its holder works, or the wait with a 504.
    """
    future = asyncio.ensure_future(waiting)
    while not (await asyncio.wait([future], timeout=0.2))[0]:
        if system.tap.in_flight.get("gemini"):
            system.clock.advance(2)
        else:
            system.traffic.skip_wait()
    return await future


@pytest.mark.parametrize("ask", [transcription, subtitles, completion])
async def test_a_wait_that_is_too_long_ends_in_504_with_the_tasks_id_and_goes_on(system: System, ask: Asked) -> None:
    system.gemini.set_model({"latency": "1000s"})
    secret = await system.key(f"waits-for-{ask.__name__}")
    async with AsyncOpenAI(base_url=f"{system.url}/v1", api_key=secret, max_retries=0, timeout=90) as client:
        waiting = asyncio.ensure_future(ask(client))
        task_id = await until_asked(system, secret)
        system.gemini.set_model({"latency": 0})  # For the next call: the one under way keeps its latency.
        system.clock.advance(901)
        with pytest.raises(openai.InternalServerError) as late:
            await waiting
        answer = await while_time_passes(system, ask(client))
    assert late.value.status_code == 504
    assert late.value.response.headers["x-dropsight-task"] == task_id
    assert late.value.code == "still_processing"
    assert task_id in late.value.message
    assert answer.headers["x-dropsight-task"] == task_id


async def test_a_stream_that_lasts_too_long_ends_with_an_error_and_the_tasks_id(system: System) -> None:
    system.gemini.set_model({"latency": "1000s"})
    secret = await system.key("waits-for-events")
    async with AsyncOpenAI(base_url=f"{system.url}/v1", api_key=secret, max_retries=0, timeout=90) as client:
        events = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize", file=SPEECH, response_format="diarized_json", stream=True
        )
        task_id = await until_asked(system, secret)
        system.gemini.set_model({"latency": 0})  # For the next call: the one under way keeps its latency.
        system.clock.advance(901)
        with pytest.raises(openai.APIError, match=task_id):
            async for _ in events:
                pass
        answer = await while_time_passes(system, subtitles(client))
    assert answer.headers["x-dropsight-task"] == task_id


async def test_a_client_that_hangs_up_finds_its_running_task_by_the_hash_of_what_it_sends(system: System) -> None:
    system.gemini.set_model({"latency": "30s"})
    secret = await system.key("hangs-up")
    recording = SPEECH.read_bytes()
    form: Any = {"model": (None, "whisper-1"), "file": ("again.wav", recording, "audio/wav")}
    async with system.client(secret) as client:
        calling = asyncio.ensure_future(client.post("/v1/audio/transcriptions", files=form))
        task_id = await until_asked(system, secret)
        calling.cancel()
        again = asyncio.ensure_future(client.post("/v1/audio/transcriptions", files=form))
        await until_asked(system, secret)
        answer = await while_time_passes(system, again)
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-dropsight-task"] == task_id
    assert [task["id"] for task in listed] == [task_id]


async def test_an_upload_that_breaks_off_makes_no_task_and_leaves_no_file(system: System) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        yield SPEECH.read_bytes()
        raise ConnectionError("the client is gone")

    secret = await system.key("breaks-off")
    async with system.client(secret) as client:
        with pytest.raises((ConnectionError, httpx2.HTTPError)):
            await client.post(
                "/v1/audio/transcriptions",
                content=half(),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            )
        listed = (await client.get("/v1/tasks")).json()["data"]
    async with asyncio.timeout(60):
        while await asyncio.to_thread(
            lambda: list(system.objects.list_blobs("requests", prefix="uploads/breaks-off/"))
        ):
            await asyncio.sleep(0.05)
    assert listed == []
