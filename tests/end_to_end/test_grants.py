"""The functions run under the grants of production, and need each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from local.standins.storage.iam import Access, Grant, Policy
from local.system import storage_policy
from tests.running import SAMPLES, Running, until

RECIPES = b'[[recipe]]\nname = "short"\ntakes = ["text"]\nfor = {}\nprompt = "Sum it up."\n'
INBOXES = '{"dropsight-inbox": {"recipes": "gs://dropsight-source/recipes/inbox.toml"}}'
ALL = storage_policy().grants


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running(DROPSIGHT_INBOXES=INBOXES) as running:
        running.bucket("dropsight-source").blob("recipes/inbox.toml").upload_from_string(RECIPES)
        yield running


@pytest.fixture(scope="module")
def used(system: Running) -> set[Access]:
    """What the functions asked of Cloud Storage while they did all that they do."""
    dropped = system.end_of(system.drop("dropped.txt", b"Some text.\n", "text/plain"))
    assert dropped["status"] == "completed", dropped
    manifest = system.bucket(system.endpoints.requests).blob("manifests/local/one.json")
    manifest.upload_from_string(json.dumps({"model": "gemini-2.5-flash-lite", "messages": question()}))
    until(lambda: len(system.documents()) == 2, 30, lambda: f"{system.states()}")
    system.wait_for_documents(2, 30)
    owner = next(document for document in system.documents() if document["source"]["kind"] == "manifest")
    assert system.http.post(f"/v1/tasks/{owner['id']}/rerun", json={}).status_code == 200
    # Too long for the document: it is read from the results bucket.
    system.model(text=" ".join(str(number) for number in range(60_000)))
    submitted = system.http.post(
        "/v1/llm/generations",
        json={
            "model": "gemini-2.5-flash-lite",
            "messages": question(),
            "callback_url": "https://callbacks.example.com/ended",
        },
    )
    assert submitted.status_code == 200, submitted.text
    until(lambda: system.states()["completed"] == 4, 30, lambda: f"{system.states()}")
    for document in system.documents():
        system.http.get(f"/v1/tasks/{document['id']}")
    use_the_page(system, dropped["id"])
    until(lambda: system.logged("callback_attempted"), 30, lambda: "the callback was not attempted")
    system.sweep()
    seen = system.control("GET", "/grants")
    assert seen["refused"] == []
    return {Access(**access) for access in seen["used"]}


def use_the_page(system: Running, task_id: str) -> None:
    """Read a source, upload a file into the inbox, and transcribe a recording that is sent along."""
    assert system.http.get(f"/v1/tasks/{task_id}/source").status_code == 200
    opened = system.http.post("/v1/uploads", json={"name": "page.txt", "size": 5, "content_type": "text/plain"})
    assert opened.status_code == 200, opened.text
    httpx2.put(opened.json()["url"], content=b"words").raise_for_status()
    recording = {"file": ("a.wav", (SAMPLES / "speech.wav").read_bytes(), "audio/wav")}
    system.model()
    transcribed = system.http.post("/v1/audio/transcriptions", files=recording, data={"model": "whisper-1"})
    assert transcribed.status_code == 200, transcribed.text


def question() -> list[dict[str, str]]:
    return [{"role": "user", "content": "What is this?"}]


def test_the_local_system_enforces_the_grants_that_terraform_makes(system: Running) -> None:
    seen = [dict(grant) for grant in system.control("GET", "/grants")["grants"]]
    assert [(grant.pop("account"), Grant(**grant)) for grant in seen] == ALL


@pytest.mark.parametrize(("account", "grant"), ALL, ids=lambda part: str(part).replace("/", ":"))
def test_each_grant_is_needed_by_some_call(used: set[Access], account: str, grant: Grant) -> None:
    without = Policy({name: [held for _, held in ALL if _ == name] for name, _ in ALL}).without(account, grant)
    refused = {access for access in used if not without.allows(access)}
    assert refused, f"no call of {account} needs {grant}"
