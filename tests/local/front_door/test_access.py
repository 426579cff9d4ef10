"""Who may call a function that is not public, and what the function gets to see of the token."""

from __future__ import annotations

import base64
import json

from local.standins.oidc import Issuer
from shared.clock import MovableClock
from tests.local.front_door.conftest import Serve

INVOKER = "queue@local.iam.gserviceaccount.com"
PRIVATE = {"function": "generate", "invokers": frozenset({INVOKER})}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_invoker_is_let_in_and_the_signature_is_removed(serve: Serve, issuer: Issuer) -> None:
    door = await serve(**PRIVATE)
    token = issuer.token(INVOKER, door.url)
    answer = await door.http.post("/", headers=_bearer(token))
    assert answer.status_code == 200
    seen = dict(answer.json()["headers"])["authorization"].removeprefix("Bearer ")
    header, claims, signature = seen.split(".")
    assert signature == "SIGNATURE_REMOVED_BY_GOOGLE"
    assert [header, claims] == token.split(".")[:2]


async def test_the_token_may_come_in_x_serverless_authorization(serve: Serve, issuer: Issuer) -> None:
    door = await serve(**PRIVATE)
    sent = {
        "X-Serverless-Authorization": f"bearer {issuer.token(INVOKER, door.url)}",
        "Authorization": "Bearer sk-mine",
    }
    answer = await door.http.get("/", headers=sent)
    headers = dict(answer.json()["headers"])
    assert headers["authorization"] == "Bearer sk-mine"
    assert headers["x-serverless-authorization"].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")


async def test_a_named_audience_is_accepted_with_and_without_a_slash(serve: Serve, issuer: Issuer) -> None:
    door = await serve(**PRIVATE, audiences=frozenset({"https://generate.example"}))
    for audience in (
        "https://generate.example",
        "https://generate.example/",
        door.url.replace("127.0.0.1", "localhost"),
    ):
        assert (await door.http.get("/", headers=_bearer(issuer.token(INVOKER, audience)))).status_code == 200


async def test_without_a_token_it_is_403(serve: Serve) -> None:
    door = await serve(**PRIVATE)
    answer = await door.http.post("/go<script>", content=b"x" * 100_000)
    assert answer.status_code == 403
    assert "does not have permission to get URL" in answer.text
    assert "<script>" not in answer.text


async def test_another_account_is_403(serve: Serve, issuer: Issuer) -> None:
    door = await serve(**PRIVATE)
    token = issuer.token("other@local.iam.gserviceaccount.com", door.url)
    assert (await door.http.get("/", headers=_bearer(token))).status_code == 403


async def test_a_token_that_proves_nothing_is_401(serve: Serve, issuer: Issuer, clock: MovableClock) -> None:
    door = await serve(**PRIVATE)
    good = issuer.token(INVOKER, door.url)
    head, claims, signature = good.split(".")
    forged = base64.urlsafe_b64encode(
        json.dumps({"iss": "https://accounts.google.com", "aud": door.url, "email": INVOKER, "exp": 9e9}).encode()
    ).decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    bad = {
        "another issuer's": Issuer(clock).token(INVOKER, door.url),
        "for another audience": issuer.token(INVOKER, "https://elsewhere"),
        "with a path as its audience": issuer.token(INVOKER, f"{door.url}/go"),
        "forged": f"{head}.{forged}.{signature}",
        "unsigned": f"{unsigned}.{claims}.",
        "stripped": f"{head}.{claims}.SIGNATURE_REMOVED_BY_GOOGLE",
        "an API key": "sk-0123456789",
        "nonsense": "ä.ö.ü".encode().decode("latin-1"),
    }
    for what, token in bad.items():
        answer = await door.http.get("/", headers=[(b"authorization", f"Bearer {token}".encode("latin-1"))])
        assert (what, answer.status_code) == (what, 401)
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert (await door.http.get("/", headers={"Authorization": "Basic eDp5"})).status_code == 401


async def test_a_token_expires_on_the_clock(serve: Serve, issuer: Issuer, clock: MovableClock) -> None:
    door = await serve(**PRIVATE)
    headers = _bearer(issuer.token(INVOKER, door.url))
    clock.advance(3590)
    assert (await door.http.get("/", headers=headers)).status_code == 200
    clock.advance(20)
    assert (await door.http.get("/", headers=headers)).status_code == 401


async def test_a_public_function_is_open_to_everybody(serve: Serve) -> None:
    door = await serve()
    for headers in ({}, {"Authorization": "Bearer anything"}):
        assert (await door.http.get("/", headers=headers)).status_code == 200
