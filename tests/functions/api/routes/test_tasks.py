"""How a task stands, and which tasks a key sees."""

from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletion

from tests.functions.api.conftest import INBOX, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = (SAMPLES / "speech.wav").read_bytes()


async def test_health_needs_no_key(system: System) -> None:
    async with system.client(None) as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}
    assert answer.headers["x-request-id"].startswith("req-")


async def test_head_is_answered_where_get_is(system: System) -> None:
    async with system.client(None) as client:
        answer = await client.head("/health")
        unknown = await client.head("/nowhere")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "15")
    assert unknown.status_code == 404


async def test_a_request_without_a_known_key_is_told_how_to_send_one(system: System) -> None:
    async with system.client(None) as client:
        missing = await client.get("/v1/tasks")
        wrong = await client.get("/v1/tasks", headers={"Authorization": "Bearer sk-" + "x" * 43})
    assert missing.status_code == wrong.status_code == 401
    assert missing.json()["error"]["code"] == "missing_api_key"
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert missing.headers["www-authenticate"].startswith("Bearer")


async def test_a_dropped_file_is_found_by_its_name_and_looked_up_by_its_id(system: System) -> None:
    secret = await system.key("finder", sources=(f"gs://{INBOX}/",))
    await system.drop("talks/one.wav", SPEECH)
    listed = await system.ended(secret, f"gs://{INBOX}/talks/one.wav")
    async with system.client(secret) as client:
        answer = await client.get(f"/v1/tasks/{listed['id']}")
        again = await client.get(f"/v1/tasks/{listed['id']}", headers={"If-None-Match": answer.headers["etag"]})
    task = answer.json()
    assert task == listed
    assert task["status"] == "completed"
    ChatCompletion.model_validate(task["results"][0])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
