"""The functions run under the grants of production, and need each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from local.layout import storage_policy
from local.standins.storage.iam import Access, Grant
from tests.pdf_text import pdf_with_text
from tests.running import Running, until

# One system does all that some grant is for, before the first test: on a busy machine this takes minutes.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

RECIPES = b"""
[[recipe]]
name = "short"
takes = ["text"]
for = {}
prompt = "Sum it up."

[[recipe]]
name = "post"
use = "split-bundle"
for = {}
document_recipe = "classify"
"""
INBOXES = '{"dropsight-inbox": {"recipes": "gs://dropsight-source/recipes/inbox.toml", "documents": true}}'
STACK = pdf_with_text([[f"Sheet {number}"] for number in range(1, 6)])
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
    bundle = system.end_of(system.drop("stack.pdf", STACK, "application/pdf"))
    assert bundle["status"] == "completed", bundle
    until(
        lambda: len(system.http.get(f"/v1/tasks/{bundle['id']}").json().get("children", ())) == 2,
        60,
        lambda: f"{system.states()}",
    )
    until(lambda: system.logged("callback_attempted"), 30, lambda: "the callback was not attempted")
    system.sweep()
    # The uploaded file has a task as well, whose calls are no part of what a later test looks at.
    until(lambda: not system.under_way(), 30, lambda: f"{system.under_way()}")
    seen = system.control("GET", "/grants")
    assert seen["refused"] == []
    return {Access(**access) for access in seen["used"]}


def use_the_page(system: Running, task_id: str) -> None:
    """Read a source, upload a file into the inbox, and one to be named in requests."""
    system.control("DELETE", "/model")
    assert system.http.get(f"/v1/tasks/{task_id}/source").status_code == 200
    opened = system.http.post("/v1/uploads", json={"name": "page.txt", "size": 5, "content_type": "text/plain"})
    assert opened.status_code == 200, opened.text
    httpx2.put(opened.json()["url"], content=b"words", timeout=60).raise_for_status()
    kept = system.http.post("/v1/files", files={"file": ("a.txt", b"words")}, data={"purpose": "user_data"})
    assert kept.status_code == 200, kept.text


def question() -> list[dict[str, str]]:
    return [{"role": "user", "content": "What is this?"}]


def test_the_local_system_enforces_the_grants_that_terraform_makes(system: Running) -> None:
    seen = [dict(grant) for grant in system.control("GET", "/grants")["grants"]]
    assert [(grant.pop("account"), Grant(**grant)) for grant in seen] == ALL


def test_each_grant_is_needed_by_some_call(used: set[Access]) -> None:
    """So that without any one of them, something of the above would be refused."""
    policy = storage_policy()
    needless = [(account, grant) for account, grant in ALL if all(map(policy.without(account, grant).allows, used))]
    assert needless == []


@pytest.mark.usefixtures("used")
def test_a_file_waits_for_the_grant_that_generate_lacks_and_says_which(system: Running) -> None:
    missing = Grant(bucket=system.endpoints.inbox, role="roles/storage.objectViewer")
    held = storage_policy().without("generate", missing).by_account
    system.control("PUT", "/grants", {name: [grant.model_dump() for grant in grants] for name, grants in held.items()})
    uri = system.drop("forbidden.txt", b"Some text.\n", "text/plain")
    until(lambda: system.task_of(uri).get("waiting"), 30, lambda: f"{system.task_of(uri)}")
    waiting = system.task_of(uri)["waiting"]
    assert waiting["reason"] == "blocked"
    assert "generate does not have storage.objects.get access" in waiting["detail"]
    refused = system.control("GET", "/grants")["refused"]
    assert {(access["account"], access["name"]) for access in refused} == {("generate", "forbidden.txt")}
    system.control("DELETE", "/grants")
    system.advance("10m")
    assert system.end_of(uri)["status"] == "completed"
