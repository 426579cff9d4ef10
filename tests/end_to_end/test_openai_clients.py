"""A transcription over HTTP while things go wrong: killed workers, lost connections. One task, one billed call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psutil
import pytest
from openai import APITimeoutError, OpenAI

from tests import machine
from tests.running import SAMPLES, Running, until

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


def test_a_client_that_hangs_up_finds_its_task_by_sending_the_same_again(system: Running) -> None:
    system.model(latency="2m")
    before = len(system.documents())

    def hang_up_after(seconds: float) -> None:
        with openai_client(system, timeout=seconds, max_retries=0) as client, pytest.raises(APITimeoutError):
            client.audio.transcriptions.create(model="whisper-1", file=SPEECH, language="en")

    # As long as this machine needs to take the upload in.
    patience = 0.7
    while len(system.documents()) == before:
        hang_up_after(patience)
        patience *= 2
    system.advance("3m")
    with openai_client(system, timeout=300, max_retries=0) as client:
        answer = client.audio.transcriptions.create(model="whisper-1", file=SPEECH, language="en")
    assert answer.text
    assert len(system.documents()) == before + 1
    assert len(system.model_calls()) == 1


@pytest.mark.timeout(600)
def test_an_upload_of_300_mb_is_passed_on_in_constant_memory(system: Running) -> None:
    workers = [process for process in psutil.Process(system.pid).children(recursive=True) if _serves_api(process)]
    # Past the front door, which has the platform's limit of 32 MB.
    port = next(each.laddr.port for worker in workers for each in worker.net_connections() if each.status == "LISTEN")
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak.append(max(worker.memory_info().rss for worker in workers))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = httpx2.post(
            f"http://127.0.0.1:{port}/v1/files",
            content=_form(megabytes=300),
            headers={
                "Authorization": f"Bearer {system.endpoints.api_key}",
                "Content-Type": "multipart/form-data; boundary=xx",
            },
            timeout=machine.allowed(100),
        )
    finally:
        done.set()
        watcher.join()
    assert answer.status_code == 200, answer.text
    assert answer.json()["bytes"] == len(SPEECH.read_bytes()) + (300 << 20)
    assert max(peak) < 200 << 20


def _serves_api(process: psutil.Process) -> bool:
    try:
        return process.environ().get("FUNCTION_TARGET") == "api"
    except psutil.Error:  # a child of a function that has ended meanwhile
        return False


def _form(megabytes: int) -> Iterator[bytes]:
    yield b'--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    yield b'--xx\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'
    yield SPEECH.read_bytes()
    for _ in range(megabytes):
        yield bytes(1 << 20)
    yield b"\r\n--xx--\r\n"
