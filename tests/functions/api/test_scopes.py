"""Every endpoint by every scope: results are for keys that may read, and tasks are made by keys that may submit."""

from __future__ import annotations

import base64
import json
from typing import Any, Literal

import pytest

from shared.domain.tasks.access import Scope
from tests.functions.api.conftest import INBOX, SAMPLES, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = "The answer that only readers may see."
PDF = "data:application/pdf;base64," + base64.b64encode((SAMPLES / "report.pdf").read_bytes()).decode()
TASK, STREAMED = "/v1/tasks/{task}", "/v1/llm/generations/{streamed}/stream"

FILE = "/v1/files/{file}"
FORM: Any = {"files": {"file": ("scopes.wav", (SAMPLES / "speech.wav").read_bytes(), "audio/wav")}}
SPOKEN = {**FORM, "data": {"model": "whisper-1"}}
CHAT = {"json": {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hello?"}]}}

NEEDS: dict[tuple[str, str], tuple[Scope | Literal["both"] | None, dict[str, Any]]] = {
    ("GET", "/health"): (None, {}),
    ("GET", "/v1/configs/llm_generations_models"): ("read", {}),
    ("GET", "/v1/models"): ("read", {}),
    ("GET", "/v1/models/gemini-2.5-flash-lite"): ("read", {}),
    ("GET", "/v1/tasks"): ("read", {}),
    ("GET", TASK): ("read", {}),
    ("GET", TASK + "/source"): ("read", {}),
    ("GET", "/v1/tasks/{paged}/source/pages"): ("read", {}),
    ("GET", "/v1/tasks/{paged}/source/pages/1.png"): ("read", {}),
    ("GET", TASK + "/outputs/md"): ("read", {}),
    ("GET", "/v1/session"): ("read", {}),
    ("POST", "/v1/session"): ("read", {}),
    ("DELETE", "/v1/session"): ("read", {}),
    ("POST", "/v1/uploads"): ("submit", {"json": {"name": "scopes.txt", "size": 5}}),
    ("HEAD", TASK): ("read", {}),
    ("GET", TASK + "?wait=1"): ("read", {}),
    ("GET", STREAMED): ("read", {}),
    ("HEAD", STREAMED): ("read", {}),
    ("POST", TASK + "/cancel"): ("submit", {}),
    ("POST", TASK + "/rerun"): ("submit", {"json": {"seed": 1}}),
    ("POST", "/v1/llm/generations"): ("submit", {"json": request()}),
    ("POST", "/v1/chat/completions"): ("both", CHAT),
    ("POST", "/v1/audio/transcriptions"): ("both", SPOKEN),
    ("POST", "/v1/audio/translations"): ("both", SPOKEN),
    ("POST", "/v1/files"): ("submit", FORM),
    ("GET", "/v1/files"): ("read", {}),
    ("GET", FILE): ("read", {}),
    ("GET", FILE + "/content"): ("read", {}),
    ("DELETE", FILE): ("submit", {}),
    ("GET", "/v1/usage"): ("read", {}),
    ("GET", "/v1/status"): ("operate", {}),
    ("POST", "/v1/pause"): ("operate", {"json": {"inbox": INBOX}}),
    ("POST", "/v1/resume"): ("operate", {"json": {"inbox": INBOX}}),
    ("GET", "/v1/keys"): ("operate", {}),
    ("POST", "/v1/keys"): ("operate", {"json": {"name": "made", "scopes": ["operate"]}}),
    ("POST", "/v1/keys/rotated/rotate"): ("operate", {"json": {"overlap": 60}}),
    ("POST", "/v1/keys/rotated/revoke"): ("operate", {}),
}
"""What each endpoint needs, and an example of its request. `both`: it makes a task, and its answer is the result."""


async def a_task(system: System, **fields: Any) -> tuple[str, str]:
    """A task that has ended, submitted by a key that may both; its id and the key's."""
    key_id = f"scopes-{abs(hash(json.dumps(fields, sort_keys=True))) % 10**6}"
    system.gemini.set_model({"text": ANSWER})
    async with system.client(await system.key(key_id)) as client:
        answer = await client.post("/v1/llm/generations", json=request(**fields), headers={"Idempotency-Key": "mine"})
        task = (await client.get(answer.headers["location"], params={"wait": 60})).json()
    assert ANSWER in json.dumps(task["results"])
    # Its files are published later than it ends.
    await system.quiet()
    return task["id"], key_id


async def test_the_table_names_every_endpoint(system: System) -> None:
    async with system.client(None) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    examples = {
        "{task}": "{task_id}",
        "{streamed}": "{task_id}",
        "{file}": "{file_id}",
        "{paged}": "{task_id}",
        "pages/1.png": "pages/{number}.png",
        "gemini-2.5-flash-lite": "{model_id}",
        "outputs/md": "outputs/{name}",
        "keys/rotated": "keys/{key_id}",
    }
    named = set()
    for method, path in NEEDS:
        for example, name in examples.items():
            path = path.replace(example, name)
        named.add((method, path.partition("?")[0]))
    assert {pair for pair in named if pair[0] != "HEAD"} == there


@pytest.mark.parametrize("scopes", [(), ("read",), ("submit",), ("read", "submit"), ("operate",)])
async def test_every_endpoint_holds_every_scope(system: System, scopes: tuple[Scope, ...]) -> None:
    task, owner = await a_task(system)
    streamed, other = await a_task(system, stream=True)
    document = [{"role": "user", "content": [{"type": "file_url", "file_url": {"url": PDF}}]}]
    paged, reader = await a_task(system, messages=document, audio_url=None)
    await system.key("rotated", scopes=("operate",))
    # What is under the source is new for each run: an upload never replaces an object.
    sources = (f"gs://{INBOX}/",)
    secrets = {
        task: await system.key(owner, scopes=scopes, sources=sources),
        streamed: await system.key(other, scopes=scopes, sources=sources),
        paged: await system.key(reader, scopes=scopes, sources=sources),
    }
    async with system.client(await system.key(owner)) as client:
        file = (await client.post("/v1/files", **FORM)).json()["id"]
    for (method, path), (scope, options) in NEEDS.items():
        secret = secrets[streamed if "{streamed}" in path else paged if "{paged}" in path else task]
        async with system.client(secret) as client:
            filled = path.format(task=task, streamed=streamed, paged=paged, file=file)
            answer = await client.request(method, filled, **options)
        outcome = (method, path, scopes, answer.status_code, answer.text[:300])
        may = {"read", "submit"} <= set(scopes) if scope == "both" else scope is None or scope in scopes
        assert (answer.status_code == 200) is may, outcome
        assert answer.status_code in (200, 403), outcome
        if "read" not in scopes:
            assert ANSWER not in answer.text, outcome


async def test_a_key_that_only_submits_sees_no_answer_by_any_request_that_it_may_make(system: System) -> None:
    task, owner = await a_task(system)
    secret = await system.key(owner, scopes=("submit",))
    async with system.client(secret, **{"Idempotency-Key": "mine"}) as client:
        replayed = await client.post("/v1/llm/generations", json=request())
        cancelled = await client.post(f"/v1/tasks/{task}/cancel")
        answers = [replayed, cancelled]
        for fields in ({"sync": True}, {"sync": True, "stream": True}):
            answers.append(await client.post("/v1/llm/generations", json=request(**fields)))
            answers.append(await client.post(f"/v1/tasks/{task}/rerun", json=fields))
    assert replayed.headers["idempotent-replayed"] == "true"
    assert (replayed.json()["id"], cancelled.json()["id"], cancelled.json()["status"]) == (task, task, "completed")
    assert cancelled.json()["results"] is None
    assert "outputs" not in cancelled.json()
    assert [answer.status_code for answer in answers] == [200, 200, 403, 403, 403, 403]
    assert all(answer.json()["error"]["code"] == "scope_missing" for answer in answers[2:])
    assert not any(ANSWER in answer.text for answer in answers)
    async with system.client(await system.key(owner)) as client:
        assert ANSWER in (await client.post(f"/v1/tasks/{task}/cancel")).text


async def test_a_dropped_files_answer_is_for_readers_too(system: System) -> None:
    both = await system.key("drops", sources=(f"gs://{INBOX}/scopes/",))
    submits = await system.key("drops-submit", scopes=("submit",), sources=(f"gs://{INBOX}/scopes/",))
    await system.drop("scopes/notes.txt", (SAMPLES / "notes.txt").read_bytes())
    task = await system.ended(both, f"gs://{INBOX}/scopes/notes.txt")
    async with system.client(submits) as client:
        shown = (await client.post(f"/v1/tasks/{task['id']}/cancel")).json()
    assert task["results"]
    assert (shown["status"], shown["results"], shown["usage"]) == (task["status"], None, None)
