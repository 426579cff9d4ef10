"""Operators list, make, rotate and revoke keys; nobody passes on more than they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.functions.api.conftest import INBOX, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALL = ("submit", "read", "operate")
TEAM = f"gs://{INBOX}/team/"


async def post(system: System, secret: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    async with system.client(secret) as client:
        answer = await client.post(path, json=body)
    return answer.status_code, answer.json()


async def listed(system: System, secret: str, key_id: str) -> dict[str, Any]:
    async with system.client(secret) as client:
        [key] = [key for key in (await client.get("/v1/keys")).json()["data"] if key["id"] == key_id]
    return dict(key)


async def is_accepted(system: System, secret: str) -> bool:
    """Whether a key works, once what instances remember of it is old."""
    system.clock.advance(21)
    async with system.client(secret) as client:
        return (await client.get("/v1/session")).status_code == 200


async def test_a_made_key_works_and_its_secret_is_shown_once(system: System) -> None:
    operator = await system.key("keys-operator", scopes=ALL, sources=(f"gs://{INBOX}/",))
    wanted = {"name": "Nightly job 🌙", "sources": [TEAM], "expires_in": 3600, "daily_tasks": 5, "daily_budget": 2.5}
    status, made = await post(system, operator, "/v1/keys", wanted)
    assert (status, made["scopes"], made["sources"], made["daily_tasks"]) == (200, ["submit", "read"], [TEAM], 5)
    assert made["id"].startswith("nightly-job-")
    assert (made["daily_budget"], made["expires_at"] - made["created"]) == ("2.5", 3600)
    assert await is_accepted(system, made["secret"])
    shown = await listed(system, operator, made["id"])
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    async with system.client(operator) as client:
        answer = await client.get("/v1/keys")
    assert answer.headers["cache-control"] == "private, no-store"
    assert made["secret"] not in answer.text


async def test_a_rotated_keys_old_secret_goes_on_for_the_overlap(system: System) -> None:
    operator = await system.key("keys-rotates", scopes=ALL)
    old = await system.key("keys-rotated")
    system.clock.advance(1)
    status, rotated = await post(system, operator, "/v1/keys/keys-rotated/rotate", {"overlap": 600})
    assert (status, rotated["id"], rotated["state"]) == (200, "keys-rotated", "active")
    assert await is_accepted(system, old)
    assert await is_accepted(system, rotated["secret"])
    system.clock.advance(600)
    assert not await is_accepted(system, old)
    assert await is_accepted(system, rotated["secret"])


async def test_a_revoked_key_is_refused_with_all_its_secrets_and_cannot_be_rotated(system: System) -> None:
    operator = await system.key("keys-revokes", scopes=ALL)
    old = await system.key("keys-revoked")
    _, rotated = await post(system, operator, "/v1/keys/keys-revoked/rotate")
    status, shown = await post(system, operator, "/v1/keys/keys-revoked/revoke")
    assert (status, shown["state"]) == (200, "revoked")
    assert not await is_accepted(system, old)
    assert not await is_accepted(system, rotated["secret"])
    status, refused = await post(system, operator, "/v1/keys/keys-revoked/rotate")
    assert (status, "is revoked" in refused["error"]["message"]) == (404, True)


@pytest.mark.parametrize(
    ("own", "wanted", "field"),
    [
        ({"scopes": ("operate",)}, {"scopes": ["read"]}, "scopes"),
        ({}, {"sources": [f"gs://{INBOX}/"]}, "sources"),
        ({}, {"sources": [f"gs://{INBOX}/team-b/"]}, "sources"),
        ({}, {"sources": ["manifests:billing"]}, "sources"),
        ({"requests_per_minute": 60}, {"requests_per_minute": 61}, "requests_per_minute"),
        ({"daily_tasks": 5}, {"daily_tasks": 6}, "daily_tasks"),
        ({"daily_budget": "2"}, {"daily_budget": 2.01}, "daily_budget"),
    ],
)
async def test_no_key_passes_on_more_than_it_may(
    system: System, own: dict[str, Any], wanted: dict[str, Any], field: str
) -> None:
    operator = await system.key(f"keys-bound-{abs(hash(str(wanted))) % 10**6}",
                                **{"scopes": ALL, "sources": (TEAM,), **own})  # fmt: skip
    scopes = [scope for scope in ("operate",) if "scopes" not in wanted]
    status, refused = await post(system, operator, "/v1/keys", {"name": "more", "scopes": scopes, **wanted})
    assert (status, refused["error"]["param"]) == (403, field)
    assert refused["error"]["message"].startswith(f"{field}: Your key")


async def test_rotating_shows_no_secret_of_a_key_that_may_more(system: System) -> None:
    operator = await system.key("keys-small", scopes=("operate",), sources=(TEAM,))
    await system.key("keys-large", scopes=ALL)
    await system.key("keys-elsewhere", scopes=("operate",), sources=(f"gs://{INBOX}/",))
    for key_id, field in (("keys-large", "scopes"), ("keys-elsewhere", "sources")):
        status, refused = await post(system, operator, f"/v1/keys/{key_id}/rotate")
        assert (status, refused["error"]["param"]) == (403, field)


async def test_a_made_key_has_its_makers_limits_and_does_not_outlive_it(system: System) -> None:
    ends = system.clock.now() + timedelta(hours=1)
    operator = await system.key("keys-ends", scopes=ALL, expires_at=ends, daily_tasks=3, daily_budget="1.5")
    _, made = await post(system, operator, "/v1/keys", {"name": "heir"})
    assert (made["expires_at"], made["daily_tasks"], made["daily_budget"]) == (int(ends.timestamp()), 3, "1.5")
    status, refused = await post(system, operator, "/v1/keys", {"name": "heir", "expires_in": 7200})
    assert (status, refused["error"]["param"]) == (403, "expires_in")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "sources": ["gs://inbox"]}, "sources"),
        ({"name": "x", "expires_in": 1}, "expires_in"),
        ({"name": "x", "secret": "sk-mine"}, "secret"),
    ],
)
async def test_a_wrong_field_is_named(system: System, body: dict[str, Any], field: str) -> None:
    operator = await system.key(f"keys-wrong-{abs(hash(str(body))) % 10**6}", scopes=ALL)
    status, refused = await post(system, operator, "/v1/keys", body)
    assert (status, refused["error"]["param"]) == (422, field)


async def test_a_key_that_is_not_there_is_a_404(system: System) -> None:
    operator = await system.key("keys-nothing", scopes=ALL)
    for action in ("rotate", "revoke"):
        status, refused = await post(system, operator, f"/v1/keys/nobody/{action}")
        assert (status, refused["error"]["code"]) == (404, "not_found")
