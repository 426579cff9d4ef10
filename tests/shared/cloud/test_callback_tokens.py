"""Callbacks with a token of notify's account, over HTTP: to whom it goes, and to whom never."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.faults import Fault
from local.standins.metadata import MetadataStandIn
from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.callbacks import Callbacks
from shared.cloud.identity import Identity

ACCOUNT = "notify@p.iam.gserviceaccount.com"
WORKFLOW = "/v1/projects/1/locations/l/workflows/w/executions/e/callbacks/c"


@dataclass
class Receiver:
    origin: str = ""
    answer: Response = field(default_factory=lambda: Response(status_code=200))
    tokens: list[str | None] = field(default_factory=list)
    """The Authorization header of each call."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tokens.append(Request(scope).headers.get("Authorization"))
        await self.answer(scope, receive, send)


@dataclass
class Setting:
    issuer: Issuer
    metadata: MetadataStandIn
    tap: Tap
    receiver: Receiver
    callbacks: Callbacks


@pytest.fixture
async def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setting]:
    clock, tap, receiver = MovableClock(tmp_path / "clock"), Tap(), Receiver()
    issuer = Issuer(clock)
    metadata = MetadataStandIn(clock=clock, tap=tap, sign=issuer.token, email=ACCOUNT, project="p")
    # What GCE_METADATA_HOST sets when a process starts.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{await metadata.start()}")
    server = HttpServer(receiver.app)
    receiver.origin = f"http://127.0.0.1:{await server.start()}"
    yield Setting(issuer, metadata, tap, receiver, Callbacks(per_host=2, identity=Identity(), allow_loopback=True))
    await server.stop()
    await metadata.stop()


async def test_a_service_gets_an_id_token_for_its_own_origin(setting: Setting) -> None:
    attempt = await setting.callbacks.deliver(f"{setting.receiver.origin}/ended?x=1", {}, b"{}", auth="google")
    assert attempt.kind == "delivered"
    (authorization,) = setting.receiver.tokens
    claims = setting.issuer.verify(str(authorization).removeprefix("Bearer "), setting.receiver.origin)
    assert claims["email"] == ACCOUNT


async def test_a_workflow_gets_an_access_token(setting: Setting) -> None:
    attempt = await setting.callbacks.deliver(f"{setting.receiver.origin}{WORKFLOW}", {}, b"{}", auth="google")
    assert attempt.kind == "delivered"
    (authorization,) = setting.receiver.tokens
    assert setting.metadata.account_of(str(authorization).removeprefix("Bearer ")) == ACCOUNT


async def test_a_callback_without_it_carries_no_token(setting: Setting) -> None:
    await setting.callbacks.deliver(setting.receiver.origin, {}, b"{}")
    assert setting.receiver.tokens == [None]
    assert setting.tap.ledger.calls("metadata") == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_token_follows_a_redirect(setting: Setting, status: int) -> None:
    elsewhere = Receiver()
    server = HttpServer(elsewhere.app)
    place = f"http://127.0.0.1:{await server.start()}/"
    setting.receiver.answer = Response(status_code=status, headers={"Location": place})
    attempt = await setting.callbacks.deliver(f"{setting.receiver.origin}{WORKFLOW}", {}, b"{}", auth="google")
    await server.stop()
    assert (attempt.kind, attempt.status) == ("refused", status)
    assert elsewhere.tokens == []


async def test_other_hosts_are_refused_before_a_token_is_fetched(setting: Setting) -> None:
    """Also those of a stored task whose host was taken by an earlier version."""
    for url in ("https://example.com/", "https://storage.googleapis.com/upload/storage/v1/b/b/o", "https://run.app/"):
        attempt = await setting.callbacks.deliver(url, {}, b"{}", auth="google")
        assert attempt.kind == "refused"
        assert "callback_auth" in (attempt.error or "")
    assert setting.tap.ledger.calls("metadata") == []


async def test_nothing_is_sent_without_a_token_and_another_attempt_follows(setting: Setting) -> None:
    setting.tap.faults.add([Fault(service="metadata", status=404)])
    attempt = await setting.callbacks.deliver(setting.receiver.origin, {}, b"{}", auth="google")
    assert (attempt.kind, setting.receiver.tokens) == ("put_off", [])
    assert "metadata server" in (attempt.error or "")
