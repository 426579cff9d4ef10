"""Two keys never see each other's tasks: by no endpoint, filter, cursor, ETag, stream or idempotency key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.api.conftest import INBOX, REQUESTS, RESULTS, SAMPLES, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE = (SAMPLES / "picture.png").read_bytes()


async def a_task_of(system: System, secret: str, **fields: Any) -> dict[str, Any]:
    body = request(**{"stream": True, "prompt": "the secret prompt", **fields})
    async with system.client(secret, **{"Idempotency-Key": "mine"}) as client:
        answer = await client.post("/v1/llm/generations", json=body)
        return dict((await client.get(answer.headers["location"], params={"wait": 60})).json())


async def test_another_keys_task_is_not_there_by_any_endpoint(system: System) -> None:
    owner, stranger = await system.key("owner"), await system.key("stranger", sources=(f"gs://{INBOX}/elsewhere/",))
    task = await a_task_of(system, owner)
    task_id, never = task["id"], "task-llm-1776874565-yq3szvcu"
    async with system.client(owner) as client:
        etag = (await client.get(f"/v1/tasks/{task_id}")).headers["etag"]
        assert (await client.get(task["urls"]["stream"])).status_code == 200
    async with system.client(stranger) as client:
        for method, path, options in (
            ("GET", "/v1/tasks/{}", {}),
            ("HEAD", "/v1/tasks/{}", {}),
            ("GET", "/v1/tasks/{}", {"params": {"wait": 1}}),
            ("GET", "/v1/tasks/{}", {"headers": {"If-None-Match": etag}}),
            ("GET", "/v1/tasks/{}", {"headers": {"If-None-Match": "*"}}),
            ("GET", "/v1/tasks/{}/source", {}),
            ("GET", "/v1/tasks/{}/source", {"headers": {"Range": "bytes=0-9"}}),
            ("GET", "/v1/tasks/{}/outputs/task.json", {}),
            ("GET", "/v1/llm/generations/{}/stream", {}),
            ("GET", "/v1/llm/generations/{}/stream", {"params": {"offset": 0}}),
            ("GET", "/v1/llm/generations/{}/stream", {"headers": {"Last-Event-ID": "0"}}),
            ("POST", "/v1/tasks/{}/cancel", {}),
            ("POST", "/v1/tasks/{}/rerun", {"json": {}}),
        ):
            there, nowhere = [await client.request(method, path.format(id_), **options) for id_ in (task_id, never)]
            assert there.status_code == nowhere.status_code == 404, (method, path, there.text)
            if method != "HEAD":
                error, other = there.json()["error"], nowhere.json()["error"]
                assert (error["code"], error["message"].replace(task_id, never)) == ("task_not_found", other["message"])
        for params in (
            {},
            {"status": "completed"},
            {"object": f"gs://{REQUESTS}/api/{task_id}.json"},
            {"prefix": f"gs://{REQUESTS}/"},
            {"after": f"task-llm-9999999999-{'z' * 8}"},
        ):
            listed = (await client.get("/v1/tasks", params=params)).json()
            assert listed["data"] == [], params
        replay = await client.post(
            "/v1/llm/generations",
            json=request(stream=True, prompt="the secret prompt"),
            headers={"Idempotency-Key": "mine"},
        )
    assert replay.json()["id"] != task_id
    assert "idempotent-replayed" not in replay.headers


async def test_dropped_files_are_seen_under_a_keys_sources_only(system: System) -> None:
    await system.drop("team-a/one.png", PICTURE)
    await system.drop("team-a/deep/two.png", PICTURE)
    await system.drop("team-b/three.png", PICTURE)
    await system.drop("team-a-secret.png", PICTURE)
    await system.quiet()
    cases = {
        f"gs://{INBOX}/team-a/": {"team-a/one.png", "team-a/deep/two.png"},
        f"gs://{INBOX}/team-a/deep/": {"team-a/deep/two.png"},
        f"gs://{INBOX}/team-a": {"team-a/one.png", "team-a/deep/two.png", "team-a-secret.png"},
        f"gs://{INBOX}/team-a/o": {"team-a/one.png"},
    }
    for number, (source, names) in enumerate(cases.items()):
        async with system.client(await system.key(f"sources-{number}", sources=(source,))) as client:
            listed = (await client.get("/v1/tasks")).json()
            narrowed = (await client.get("/v1/tasks", params={"prefix": f"gs://{INBOX}/team-a/"})).json()
            foreign = (await client.get("/v1/tasks", params={"object": f"gs://{INBOX}/team-b/three.png"})).json()
            other = (await client.get("/v1/tasks", params={"prefix": f"gs://{INBOX}/team-b/"})).json()
        uris = {f"gs://{INBOX}/{name}" for name in names}
        assert {task["source"] for task in listed["data"]} == uris
        assert {task["source"] for task in narrowed["data"]} == {u for u in uris if "/team-a/" in u}
        assert foreign["data"] == other["data"] == []


async def test_pages_follow_each_other_without_gap_or_repetition(system: System) -> None:
    secret = await system.key("pager", sources=(f"gs://{INBOX}/pages/p",))
    for number in range(7):
        await system.drop(f"pages/{'p' if number % 2 else 'q'}{number}.png", PICTURE)
    for number in range(3):
        async with system.client(secret) as client:
            await client.post("/v1/llm/generations", json=request(seed=number))
    await system.quiet()
    seen: list[str] = []
    async with system.client(secret) as client:
        whole = (await client.get("/v1/tasks")).json()
        url: str | None = "/v1/tasks?limit=2"
        while url is not None:
            answer = await client.get(url)
            seen += [task["id"] for task in answer.json()["data"]]
            assert answer.json()["has_more"] == ("link" in answer.headers)
            url = answer.headers["link"].split(">")[0].removeprefix("<") if "link" in answer.headers else None
    assert seen == [task["id"] for task in whole["data"]]
    assert len(seen) == len(set(seen)) == 6
    created = [task["created"] for task in whole["data"]]
    assert created == sorted(created, reverse=True)


async def test_a_key_may_name_only_objects_under_its_sources(system: System) -> None:
    secret = await system.key("namer", sources=(f"gs://{INBOX}/mine/", f"gs://{REQUESTS}/", f"gs://{RESULTS}/"))
    async with system.client(secret) as client:
        for uri in (
            f"gs://{INBOX}/theirs/a.wav",
            f"gs://{INBOX}/mine",
            f"gs://{REQUESTS}/api/x.json",
            f"gs://{RESULTS}/x.txt",
        ):
            answer = await client.post("/v1/llm/generations", json=request(audio_url=uri))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "source_not_allowed"), uri


async def test_scopes_hold(system: System) -> None:
    reader = await system.key("reader-only", scopes=("read",))
    submitter = await system.key("submit-only", scopes=("submit",))
    async with system.client(reader) as client:
        refused = await client.post("/v1/llm/generations", json=request())
    async with system.client(submitter) as client:
        accepted = await client.post("/v1/llm/generations", json=request())
        unread = await client.get("/v1/tasks")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_missing")
    assert accepted.status_code == 200
    assert unread.status_code == 403


async def test_secrets_prompts_and_inline_data_are_in_no_document_and_no_log(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = await system.key("discreet")
    system.gemini.set_model({"text": "Nothing of what was asked."})
    task = await a_task_of(system, secret, prompt="a very private prompt", system_prompt="the secret system")
    async with system.client(secret) as client:
        broken = await client.post("/v1/llm/generations", json=request(prompt=["a very private prompt"]))
    await system.quiet()
    documents = [
        str(snapshot.to_dict())
        for name in ("tasks", "keys", "idempotency")
        for snapshot in await system.database.collection(name).get()
    ]
    published = capsys.readouterr().out + broken.text + "".join(documents)
    inline = request()["audio_url"].partition(",")[2]
    assert task["status"] == "completed"
    assert secret not in published
    assert "a very private prompt" not in published
    assert "the secret system" not in published
    assert inline[:60] not in published
