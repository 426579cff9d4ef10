"""Cloud Storage behind an authority of one's own, as Google's client lets one name it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.storage import Storage


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that its own key has signed, and the key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storage.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    path.write_bytes(
        signed.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def secured(
    clock: MovableClock, tap: Tap, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """The stand-in, reached by TLS only."""
    stand_in = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=tap, buckets=("objects",))
    port = await stand_in.start()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer), return_exceptions=True)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    yield
    server.close()
    await stand_in.stop()


@pytest.mark.usefixtures("secured")
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_the_authorities_of_googles_client_hold_for_whole_objects_too(
    variable: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(certificate))
    storage = Storage("test", threads=2)
    try:
        assert await storage.write("objects", "a.txt", b"words", "text/plain")
        assert await storage.read("objects", "a.txt") == b"words"
        assert [stored.name async for stored in storage.listing("objects", "")] == ["a.txt"]
    finally:
        await storage.aclose()
