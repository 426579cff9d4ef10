"""A transcription over HTTP while things go wrong: killed workers, lost connections. One task, one billed call."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from openai import OpenAI

from tests import machine
from tests.running import SAMPLES, Running, until

pytestmark = pytest.mark.long

SPEECH = SAMPLES / "speech.wav"


def openai_client(system: Running, **options: float) -> OpenAI:
    return OpenAI(base_url=f"{system.endpoints.api}/v1", api_key=system.endpoints.api_key, **options)  # type: ignore[arg-type]


def test_generate_is_killed_and_the_clients_retry_gets_the_same_tasks_answer_for_one_billed_call(
    system: Running,
) -> None:
    system.fault("gemini", "enerateContent", kill="before", times=1)
    with ThreadPoolExecutor(2) as threads, openai_client(system, timeout=300, max_retries=0) as client:

        def transcribe() -> Any:
            return client.audio.transcriptions.with_raw_response.create(
                model="whisper-1", file=("killed.wav", SPEECH.read_bytes())
            )

        first = threads.submit(transcribe)
        until(lambda: not system.control("GET", "/faults"), 30, lambda: "nobody was killed")
        second = threads.submit(transcribe)
        # The lease of the killed instance ends by the clock, and so does the wait for the next dispatch.
        while not any(document["token"] > 1 or document["status"] == "completed" for document in system.documents()):
            system.advance("10s")
        answers = [first.result(), second.result()]
    assert len({answer.headers["x-dropsight-task"] for answer in answers}) == 1
    assert len({answer.parse().text for answer in answers}) == 1
    assert len(system.model_calls()) == 1


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_hangs_up_finds_its_task_by_sending_the_same_again(system: Running, stream: str) -> None:
    system.model(latency="2s")
    before = len(system.documents())
    body = b"".join(_form(model="whisper-1", language="en", stream=stream))
    connection = http.client.HTTPConnection(urlsplit(system.endpoints.api).netloc)
    connection.request("POST", "/v1/audio/transcriptions", body, _headers(system))
    until(lambda: len(system.documents()) == before + 1, 20, lambda: "no task was made")
    connection.close()
    answer = system.http.post(
        "/v1/audio/transcriptions", content=body, headers=_headers(system), timeout=machine.allowed(90)
    )
    assert answer.status_code == 200, answer.text
    assert "transcript.text.done" in answer.text if stream == "true" else answer.json()["text"]
    assert len(system.documents()) == before + 1
    assert len(system.model_calls()) == 1


@pytest.mark.timeout(600)
def test_a_recording_of_300_mb_is_passed_on_in_constant_memory(system: Running) -> None:
    workers = [process for process in psutil.Process(system.pid).children(recursive=True) if _serves_api(process)]
    # Past the front door, which has the platform's limit of 32 MB.
    port = next(
        connection.laddr.port
        for worker in workers
        for connection in worker.net_connections()
        if connection.status == "LISTEN"
    )
    url = f"http://127.0.0.1:{port}/v1/audio/transcriptions"
    form = _form(300, model="whisper-1", stream="true")
    # A stream's head comes as soon as the task is made.
    with httpx2.stream("POST", url, content=form, headers=_headers(system), timeout=machine.allowed(100)) as answer:
        assert answer.status_code == 200, answer.read()
        task = answer.headers["x-dropsight-task"]
    assert system.http.post(f"/v1/tasks/{task}/cancel").json()["id"] == task
    assert max(_peak_bytes(worker) for worker in workers) < 200 << 20


def _serves_api(process: psutil.Process) -> bool:
    try:
        return process.environ().get("FUNCTION_TARGET") == "api"
    except psutil.Error:  # a child of a function that has ended meanwhile
        return False


def _peak_bytes(process: psutil.Process) -> int:
    """Return the most memory that a process has had so far."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))


def _headers(system: Running) -> dict[str, str]:
    key = system.endpoints.api_key
    return {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=xx"}


def _form(megabytes: int = 0, **fields: str) -> Iterator[bytes]:
    for name, value in fields.items():
        yield f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield b'--xx\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'
    yield SPEECH.read_bytes()
    for _ in range(megabytes):
        yield bytes(1 << 20)
    yield b"\r\n--xx--\r\n"
