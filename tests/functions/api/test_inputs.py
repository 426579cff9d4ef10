"""Where inputs come from: the web, buckets, manifests of other services."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.sweep.lost_requests import take_lost_requests
from local.standins.faults import Fault
from local.standins.serve import HttpServer
from shared import wiring
from shared.domain.request.tasks import Marks, object_name, record_id
from tests.functions.api.conftest import OTHER_INBOX, REQUESTS, RESULTS, SAMPLES, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLAC = (SAMPLES / "speech.flac").read_bytes()
PICTURE = (SAMPLES / "picture.png").read_bytes()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def web() -> AsyncIterator[str]:
    """A site that serves the samples; `/long.wav` is large, `/page` no recording, `/once` is gone after."""

    signed: set[str] = set()

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        path = Request(scope, receive).url.path
        if path == "/speech.flac":
            await Response(FLAC, media_type="application/octet-stream")(scope, receive, send)
        elif path == "/picture":
            await Response(PICTURE, media_type="image/png")(scope, receive, send)
        elif path == "/page":
            await Response(b"<html>not found, sorry</html>", media_type="text/html")(scope, receive, send)
        elif path == "/elsewhere":
            await Response(b"", 302, {"Location": "http://169.254.169.254/latest"})(scope, receive, send)
        elif path == "/long.wav":
            await long_recording(send)
        elif path == "/once" and (once := Request(scope, receive).url.query) not in signed:
            signed.add(once)
            await Response(FLAC, media_type="audio/flac")(scope, receive, send)
        else:
            await Response(b"", 404)(scope, receive, send)

    server = HttpServer(site)
    yield f"http://127.0.0.1:{await server.start()}"
    await server.stop()


async def long_recording(send: Send) -> None:
    """A WAV file of 40 MB: more than may come without telling its length."""
    seconds, rate = 1250, 16_000
    size = seconds * rate * 2
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") * 2 + rate.to_bytes(4, "little") + (rate * 2).to_bytes(4, "little")
    head += (2).to_bytes(2, "little") + (16).to_bytes(2, "little") + b"data" + size.to_bytes(4, "little")
    headers = [(b"content-length", str(44 + size).encode()), (b"content-type", b"audio/wav")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": head, "more_body": True})
    for _ in range(size // 1_000_000):
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def outcome(system: System, key_id: str, **fields: Any) -> dict[str, Any]:
    async with system.client(await system.key(key_id)) as client:
        answer = await client.post("/v1/llm/generations", json=request(**fields))
        assert answer.status_code == 200, answer.text
        return dict((await client.get(answer.headers["location"], params={"wait": 60})).json())


async def test_a_recording_on_the_web_is_fetched_and_understood(system: System, web: str) -> None:
    task = await outcome(system, "web", audio_url=f"{web}/speech.flac?sig=1")
    assert task["status"] == "completed", task


async def test_a_recording_whose_address_expires_while_the_task_waits_is_not_fetched_again(
    system: System, web: str
) -> None:
    throttled = Fault(service="gemini", match="streamGenerateContent", status=429, retry_delay=1.0, times=1)
    system.tap.faults.add([throttled])
    task = await outcome(system, "once", audio_url=f"{web}/once?sig=1")
    assert task["status"] == "completed", task


async def test_a_long_recording_on_the_web_is_streamed_on(system: System, web: str) -> None:
    task = await outcome(system, "long", audio_url=f"{web}/long.wav")
    assert task["status"] == "completed", task
    uploads = [call for call in system.tap.ledger.calls("gemini") if "upload" in str(call["path"])]
    assert sum(cast(int, call["bytes"]) for call in uploads) >= 40_000_000


@pytest.mark.parametrize(
    ("path", "code"),
    [("/page", "unsupported_content_type"), ("/nothing", "url_not_fetchable"), ("/elsewhere", "url_not_fetchable")],
)
async def test_what_is_not_a_recording_or_cannot_be_had_fails_the_task(
    system: System, web: str, path: str, code: str
) -> None:
    task = await outcome(system, f"bad-{path[1:]}", audio_url=f"{web}{path}")
    assert (task["status"], task["error"]["code"]) == ("failed", code)


async def manifest(system: System, name: str, body: object) -> dict[str, Any]:
    """The task of a manifest, as a key sees it that may see manifests of that folder."""
    folder = name.split("/")[0] if "/" in name else ""
    secret = await system.key(f"m-{abs(hash(name)) % 10**9}", sources=(f"manifests:{folder}", f"gs://{OTHER_INBOX}/"))
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    await system.drop(f"manifests/{name}", text, bucket=REQUESTS, content_type="application/json")
    async with system.client(secret) as client, asyncio.timeout(60):
        while True:
            uri = f"gs://{REQUESTS}/manifests/{name}"
            listed = (await client.get("/v1/tasks", params={"object": uri})).json()["data"]
            if listed and listed[0]["status"] in ("completed", "failed"):
                return dict(listed[0])
            await asyncio.sleep(0.05)


async def test_a_manifest_of_another_service_becomes_a_task(system: System) -> None:
    await system.drop("bills/may.pdf", (SAMPLES / "report.pdf").read_bytes(), bucket=OTHER_INBOX)
    parts = [
        {"type": "file_url", "file_url": {"url": f"gs://{OTHER_INBOX}/bills/may.pdf"}},
        {"type": "text", "text": "What is due?"},
    ]
    body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": parts}], "metadata": {"bill": "may"}}
    task = await manifest(system, "billing/may.json", body)
    assert (task["status"], task["metadata"]) == ("completed", {"bill": "may"})
    assert task["source"] == f"gs://{REQUESTS}/manifests/billing/may.json"


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("billing/typo.json", {"model": "gemini-2.5-flash", "audio_uri": "x"}, "audio_uri"),
        ("billing/text.json", b"not json", "body"),
        ("billing/model.json", request(model="gpt-9"), "model"),
        ("billing/theirs.json", request(audio_url=f"gs://{OTHER_INBOX}/private/a.wav"), "audio_url"),
        ("stranger/bill.json", request(audio_url=f"gs://{OTHER_INBOX}/bills/may.pdf"), "audio_url"),
        ("nobody.json", request(audio_url=f"gs://{OTHER_INBOX}/bills/may.pdf"), "audio_url"),
    ],
)
async def test_a_bad_manifest_is_a_failed_task_that_names_the_field(
    system: System, name: str, body: object, field: str
) -> None:
    task = await manifest(system, name, body)
    assert (task["status"], task["error"]["code"]) == ("failed", "invalid_manifest")
    assert field in task["error"]["message"]


async def test_a_recipe_fills_in_what_a_request_leaves_out(system: System) -> None:
    task = await outcome(system, "by-recipe", recipe="transcribe", temperature=0.5)
    assert task["status"] == "completed", task
    assert task["recipe"] == "transcribe"


async def submitted(system: System, key_id: str, **body: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The task of a request once its files are published, and the files by their endings."""
    async with system.client(await system.key(key_id)) as client:
        answer = await client.post("/v1/llm/generations", json={"model": "gemini-2.5-flash-lite", **body})
        assert answer.status_code == 200, answer.text
        await client.get(answer.headers["location"], params={"wait": 60})
        await system.quiet()
        task = dict((await client.get(answer.headers["location"])).json())

    def read() -> dict[str, bytes]:
        names = [uri.removeprefix(f"gs://{RESULTS}/") for uri in task["outputs"]]
        bucket = system.objects.bucket(RESULTS)
        return {name.partition(".json.")[2]: bucket.blob(name).download_as_bytes() for name in names}

    return task, await asyncio.to_thread(read)


def shown(*uris: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}} for uri in uris]}]


async def test_objects_found_on_a_picture_of_the_web_are_drawn_on_it(system: System, web: str) -> None:
    task, files = await submitted(system, "web-picture", recipe="detect", messages=shown(f"{web}/picture"))
    assert task["status"] == "completed", task
    assert set(files) == {"json", "png", "task.json"}
    assert set(json.loads(files["json"])) == {"width", "height", "objects"}
    assert files["png"].startswith(b"\x89PNG")
    assert files["png"] != PICTURE


async def test_pictures_are_compared_by_a_request(system: System, web: str) -> None:
    inline = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    task, files = await submitted(system, "comparer", recipe="compare", messages=shown(f"{web}/picture", inline))
    assert (task["status"], task["recipe"]) == ("completed", "compare"), task
    assert set(files) == {"md", "task.json"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"recipe": "compare"}, "messages"),
        ({"recipe": "extract"}, "response_format"),
        ({"recipe": "segment"}, "messages.0.content.0.image_url.url"),
        ({"recipe": "none-such"}, "recipe"),
        ({"recipe": "detect", "metadata": {"dropsight-outputs": "srt"}}, "metadata.dropsight-outputs"),
    ],
)
async def test_what_a_recipe_cannot_do_is_refused_at_once(
    system: System, web: str, fields: dict[str, Any], param: str
) -> None:
    if fields["recipe"] == "segment":
        fields = {**fields, "metadata": {"dropsight-range": "00:01-00:02"}}
    async with system.client(await system.key(f"refused-{fields['recipe']}")) as client:
        body = {"model": "gemini-2.5-flash-lite", "messages": shown(f"{web}/picture"), **fields}
        answer = await client.post("/v1/llm/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text


async def test_a_short_transcript_of_a_long_recording_is_warned_of_where_nothing_else_was_asked(
    system: System, web: str
) -> None:
    system.gemini.set_model({"text": "Good morning."})
    task, _ = await submitted(system, "silent", audio_url=f"{web}/long.wav")
    assert "may be missing" in " ".join(task.get("warnings", ())), task
    task, _ = await submitted(system, "asking", audio_url=f"{web}/long.wav", prompt="Who speaks?")
    assert "may be missing" not in " ".join(task.get("warnings", ()))


async def test_a_rerun_with_a_recipe_for_another_kind_of_file_fails_before_the_model_is_asked(system: System) -> None:
    secret = await system.key("another-kind", sources=(f"gs://{OTHER_INBOX}/kinds/",))
    await system.drop("kinds/picture", PICTURE, bucket=OTHER_INBOX)
    first = await system.ended(secret, f"gs://{OTHER_INBOX}/kinds/picture")
    async with system.client(secret) as client:
        answer = await client.post(f"/v1/tasks/{first['id']}/rerun", json={"recipe": "transcribe"})
        again = (await client.get(answer.headers["location"], params={"wait": 60})).json()
    assert again["error"]["code"] == "invalid_param"
    assert "transcribe takes audio or video; this is a PNG image" in again["error"]["message"]


async def test_requests_and_manifests_whose_events_were_lost_are_found_by_sweep(system: System) -> None:
    await system.quiet()
    secret = await system.key("lost", sources=("manifests:lost",))
    task_id = f"task-llm-{int(system.clock.time())}-lostlost"
    system.storage.set_events(hold=True)
    await wiring.api().storage.write(
        REQUESTS,
        object_name(task_id),
        json.dumps(request()).encode(),
        "application/json",
        metadata=Marks("lost", record_id("lost", "k"), "payload").metadata(),
    )
    await system.drop("manifests/lost/one.json", json.dumps(request()).encode(), bucket=REQUESTS)
    system.storage.lose_held()
    system.storage.set_events(hold=False)
    system.clock.advance(3600)
    counts: Counter[str] = Counter()
    await take_lost_requests(wiring.sweep(), counts, stop_at=system.clock.time() + 60, scheduled=False)
    await system.quiet()
    async with system.client(secret) as client:
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert counts["objects_without_task"] == 2
    assert {task["status"] for task in listed} == {"completed"}
    assert task_id in {task["id"] for task in listed}
    await take_lost_requests(wiring.sweep(), counts, stop_at=system.clock.time() + 60, scheduled=False)
    assert counts["objects_without_task"] == 2


async def test_inline_data_that_is_too_large_for_a_call_is_uploaded_first(system: System) -> None:
    seconds = 40
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(seconds * 32_000))
    encoded = base64.b64encode(sound.getvalue()).decode()
    task = await outcome(system, "inline", audio_url=f"data:audio/wav;base64,{encoded}")
    assert task["status"] == "completed", task
    assert task["usage"]["prompt_tokens_by_modality"]["audio"] == seconds * 32


async def test_a_picture_that_cannot_be_drawn_in_time_leaves_its_boxes_and_a_warning(
    system: System, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.generate.result.source_picture._DRAW_SECONDS", 0.001)
    task, files = await submitted(system, "undrawn", recipe="detect", messages=shown(f"{web}/picture"))
    assert task["status"] == "completed", task
    assert set(files) == {"json", "task.json"}
    assert "objects" in json.loads(files["json"])
    assert "No .png was made: drawing on the image takes too long." in task["warnings"]
