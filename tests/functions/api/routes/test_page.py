"""GET /: the page's files, under a policy that lets nothing foreign in."""

from __future__ import annotations

import re

import pytest

from tests.functions.api.conftest import ROOT, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = ROOT / "functions" / "api" / "page"


async def test_the_page_and_its_files_need_no_key_and_have_a_strict_policy(system: System) -> None:
    async with system.client(None) as client:
        answers = [await client.get("/"), *[await client.get(f"/page/{file.name}") for file in PAGE.iterdir()]]
        unchanged = await client.get("/", headers={"If-None-Match": answers[0].headers["etag"]})
        unknown = await client.get("/page/..%2Fmain.py")
        head = await client.head("/")
    assert {answer.status_code for answer in answers} == {200}
    assert (unchanged.status_code, unknown.status_code, head.status_code, head.content) == (304, 404, 200, b"")
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_first_view_is_small() -> None:
    text = (PAGE / "index.html").read_text()
    first = {
        "index.html",
        *re.findall(r'"/page/([\w.-]+)"', text),
        "api.js",
        "estimate.js",
        "recipes.js",
        "upload.js",
        "welcome.js",
    }
    assert sum((PAGE / name).stat().st_size for name in first) < 150_000


async def test_no_string_is_ever_parsed_as_html_or_code_into_the_page() -> None:
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.srcdoc|setHTMLUnsafe"
    )
    for file in PAGE.glob("*.js"):
        assert not sinks.search(file.read_text()), file.name


async def test_nothing_foreign_is_loaded() -> None:
    for file in PAGE.iterdir():
        text = re.sub(r"http://www\.w3\.org/\S+", "", file.read_text())
        assert not re.search(r"""(src|href|from|import|url)\s*[=(]?\s*["'(]\s*(https?:)?//""", text), file.name


async def test_a_session_says_what_a_key_may_do(system: System) -> None:
    secret = await system.key("who", name="Somebody", scopes=("read",), sources=("gs://inbox/team/",))
    async with system.client(secret) as client:
        session = (await client.get("/v1/session")).json()
    assert session["key"] == {"id": "who", "name": "Somebody", "scopes": ["read"], "sources": ["gs://inbox/team/"]}
    assert session["inboxes"] == [{"inbox": "inbox", "prefix": "team/"}]
    assert {"transcribe", "detect", "ask"} <= {recipe["name"] for recipe in session["recipes"]}


async def test_a_brief_list_leaves_the_results_out_and_has_an_etag(system: System) -> None:
    from tests.functions.api.routes.test_submit import request

    async with system.client(await system.key("brief")) as client:
        path = (await client.post("/v1/llm/generations", json=request())).headers["location"]
        await client.get(path, params={"wait": 60})
        await system.quiet()
        listed = await client.get("/v1/tasks", params={"brief": True})
        same = await client.get("/v1/tasks", params={"brief": True}, headers={"If-None-Match": listed.headers["etag"]})
        whole = await client.get("/v1/tasks")
    [task] = listed.json()["data"]
    assert (task["status"], task["results"]) == ("completed", None)
    assert (same.status_code, same.content) == (304, b"")
    assert whole.json()["data"][0]["results"]
    assert whole.headers["etag"] != listed.headers["etag"]
