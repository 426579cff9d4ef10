"""The metadata server, as google-auth and curl use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from google.auth import compute_engine
from google.auth.compute_engine import _metadata
from google.auth.transport.requests import Request

from local.standins.metadata import MetadataStandIn
from local.standins.oidc import Issuer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

ACCOUNT = "robot@p.iam.gserviceaccount.com"
FLAVOR = {"Metadata-Flavor": "Google"}


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
async def metadata(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MetadataStandIn]:
    standin = MetadataStandIn(clock=clock, tap=Tap(), sign=Issuer(clock).token, email=ACCOUNT, project="p")
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{await standin.start()}")
    yield standin
    await standin.stop()


async def get(path: str, headers: dict[str, str]) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.get(f"http://{_metadata._GCE_METADATA_HOST}{path}", headers=headers)


async def test_googles_own_client_gets_an_access_token_that_expires(
    metadata: MetadataStandIn, clock: MovableClock
) -> None:
    credentials = compute_engine.Credentials()  # type: ignore[no-untyped-call]
    await asyncio.to_thread(credentials.refresh, Request())
    assert credentials.service_account_email == ACCOUNT
    assert metadata.account_of(str(credentials.token)) == ACCOUNT
    clock.advance(3600)
    assert metadata.account_of(str(credentials.token)) is None


async def test_googles_own_client_learns_project_and_universe(metadata: MetadataStandIn) -> None:
    request = Request()
    assert await asyncio.to_thread(_metadata.get_project_id, request) == "p"
    assert await asyncio.to_thread(_metadata.get_universe_domain, request) == "googleapis.com"


@pytest.mark.parametrize("headers", [{}, {"Metadata-Flavor": "other"}, {**FLAVOR, "X-Forwarded-For": "10.0.0.1"}])
async def test_a_forged_request_gets_no_token(metadata: MetadataStandIn, headers: dict[str, str]) -> None:
    answer = await get("/computeMetadata/v1/instance/service-accounts/default/token", headers)
    assert (answer.status_code, "ya29" in answer.text) == (403, False)


async def test_only_its_own_account_is_known_and_an_id_token_needs_an_audience(metadata: MetadataStandIn) -> None:
    accounts = "/computeMetadata/v1/instance/service-accounts"
    assert (await get(f"{accounts}/default/email", FLAVOR)).text == ACCOUNT
    assert (await get(f"{accounts}/other@p.iam.gserviceaccount.com/token", FLAVOR)).status_code == 404
    assert (await get(f"{accounts}/default/identity", FLAVOR)).status_code == 400
    assert (await get("/computeMetadata/v1/instance/id", FLAVOR)).status_code == 404
