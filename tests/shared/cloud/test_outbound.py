"""No address that a caller names leads inside: not by its spelling, its name, a redirect, or what answers there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from shared.cloud.callbacks import Callbacks
from shared.cloud.fetch import UNKNOWN_LENGTH_BYTES, Web
from shared.cloud.identity import Identity
from shared.cloud.outbound import refusal_of
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.request.addresses import refusal

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "nonsense",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "198.17.0.1", "2606:4700:4700::1111", "2a00:1450::1"]

SPELLINGS = [
    "http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://LOCALHOST:{port}/x", "http://localhost.:{port}/x",
    "http://2130706433:{port}/x", "http://0x7f000001:{port}/x", "http://017700000001:{port}/x",
    "http://0177.0.0.1:{port}/x", "http://0x7f.1:{port}/x", "http://127.1:{port}/x", "http://127.0.1:{port}/x",
    "http://127.000.000.001:{port}/x", "http://0:{port}/x", "http://0.0.0.0:{port}/x", "http://[::1]:{port}/x",
    "http://[::ffff:127.0.0.1]:{port}/x", "http://[::ffff:7f00:1]:{port}/x", "http://[::]:{port}/x",
    "http://[0:0:0:0:0:0:0:1]:{port}/x", "http://[::127.0.0.1]:{port}/x", "http://user@127.0.0.1:{port}/x",
    "http://8.8.8.8@127.0.0.1:{port}/x", "http://127.0.0.1:{port}\\@8.8.8.8/x", "http://１２７.0.0.1:{port}/x",
    "http://127。0。0。1:{port}/x", "http://app.localhost:{port}/x", "http://metadata:{port}/x",
    "http://metadata.google.internal:{port}/computeMetadata/v1/", "http://printer.local:{port}/",
    "http://169.254.169.254:{port}/x", "http://[fd00:ec2::254]:{port}/x", "http://[64:ff9b::7f00:1]:{port}/x",
    "ftp://127.0.0.1:{port}/x", "file:///etc/passwd", "gopher://127.0.0.1:{port}/x", "http:///x", "http://",
    "http://127.0.0.1:{port}/x y", "http://127.0.0.1:{port}/\r\nX: y", "http://127.0.0.1:99999/", "http://[::1",
    "javascript:alert(1)", "//127.0.0.1:{port}/x", "http://127.0.0.1:0/",
]  # fmt: skip


@dataclass
class Trap:
    """A server on loopback that counts who comes, and answers by path."""

    port: int = 0
    visits: int = 0
    answers: dict[str, bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = self.answers.get(
                head.split(b" ")[1].decode(), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            )
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    trap = Trap()
    server = await asyncio.start_server(trap.serve, "127.0.0.1", 0)
    trap.port = server.sockets[0].getsockname()[1]
    yield trap
    server.close()


def found(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def fetched(url: str, *, allow_loopback: bool = True, seconds: float = 5) -> bytes:
    file = await Web(threads=2, allow_loopback=allow_loopback).open(url, stop=threading.Event(), seconds=seconds)
    try:
        return await asyncio.to_thread(file.read)
    finally:
        file.close()


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_lead_inside_are_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_not_refused(address: str) -> None:
    assert refusal(address) is None


def test_loopback_may_be_allowed_for_the_local_system_and_nothing_else() -> None:
    assert refusal("127.0.0.1", allow_loopback=True) is None
    assert refusal("::1", allow_loopback=True) is None
    assert refusal("169.254.169.254", allow_loopback=True) is not None
    assert refusal("10.0.0.1", allow_loopback=True) is not None


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_a_url_reaches_inside(trap: Trap, spelling: str) -> None:
    url = spelling.format(port=trap.port)
    trap.answers["/x"] = found("200 OK", b"secret", Content_Length="6")
    with pytest.raises((PermanentFailure, TransientFailure)) as raised:
        await fetched(url, allow_loopback=False)
    attempt = await Callbacks(per_host=1, identity=Identity()).deliver(url.replace("http://", "https://", 1), {}, b"{}")
    assert refusal_of(url) is not None
    assert "secret" not in str(raised.value)
    assert attempt.kind in ("refused", "unreachable")
    assert trap.visits == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "64:ff9b::a9fe:a9fe"])
async def test_a_public_name_that_leads_inside_is_refused_where_it_is_connected_to(
    trap: Trap, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Also where only one of a name's addresses does, as a resolver that changes its mind would have it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", trap.port)),
        (family, socket.SOCK_STREAM, 6, "", (address, trap.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    url = f"http://files.example.com:{trap.port}/x"
    assert refusal_of(url) is None
    with pytest.raises(PermanentFailure) as raised:
        await fetched(url, allow_loopback=False)
    attempt = await Callbacks(per_host=1, identity=Identity()).deliver(
        f"https://files.example.com:{trap.port}/x", {}, b"{}"
    )
    assert raised.value.code == "url_not_fetchable"
    assert attempt.kind == "refused"
    assert trap.visits == 0


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd", "http://[fe80::1]/", "http://0x0a000001/",
     "ftp://127.0.0.1/", "http://metadata.google.internal@10.0.0.7/", "/around"],
)  # fmt: skip
async def test_a_redirect_leads_no_further_than_the_first_url_might(trap: Trap, location: str) -> None:
    trap.answers["/go"] = trap.answers["/around"] = found("302 Found", Location=location, Content_Length="0")
    with pytest.raises(PermanentFailure) as raised:
        await fetched(trap.url("/go"))
    assert raised.value.code == "url_not_fetchable"


async def test_a_redirect_within_what_is_allowed_is_followed_for_files_and_never_for_callbacks(trap: Trap) -> None:
    trap.answers["/go"] = found("302 Found", Location="/there", Content_Length="0")
    trap.answers["/there"] = found("200 OK", b"hello", Content_Length="5")
    assert await fetched(trap.url("/go")) == b"hello"
    attempt = await Callbacks(per_host=1, identity=Identity(), allow_loopback=True).deliver(trap.url("/go"), {}, b"{}")
    assert (attempt.kind, attempt.status) == ("refused", 302)


async def test_a_file_of_unknown_length_is_taken_up_to_a_bound(trap: Trap) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(found("200 OK", Content_Type="audio/wav"))
        while True:
            writer.write(b"x" * (1 << 20))
            await writer.drain()

    trap.answers["/small"] = found("200 OK", b"hello")
    trap.answers["/endless"] = endless
    assert await fetched(trap.url("/small")) == b"hello"
    with pytest.raises(PermanentFailure) as raised:
        await fetched(trap.url("/endless"), seconds=60)
    assert raised.value.code == "payload_too_large"
    assert str(UNKNOWN_LENGTH_BYTES >> 20) in raised.value.message


async def test_a_file_that_says_it_is_too_large_is_not_read(trap: Trap) -> None:
    trap.answers["/huge"] = found("200 OK", b"x", Content_Length=str(3 << 30))
    with pytest.raises(PermanentFailure) as raised:
        await fetched(trap.url("/huge"))
    assert raised.value.code == "payload_too_large"


async def test_a_server_that_drips_is_cut_off_when_the_time_is_over(trap: Trap) -> None:
    hung_up = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.05)
        finally:
            hung_up.set()

    trap.answers["/drip"] = drip
    async with asyncio.timeout(30):
        with pytest.raises(TransientFailure):
            await fetched(trap.url("/drip"), seconds=0.5)
        await hung_up.wait()


async def test_what_breaks_off_or_is_compressed_or_not_there_is_no_file(trap: Trap) -> None:
    trap.answers["/short"] = found("200 OK", b"x" * 10, Content_Length="100")
    trap.answers["/zip"] = found("200 OK", b"x", Content_Length="1", Content_Encoding="gzip")
    trap.answers["/busy"] = found("503 Busy", Content_Length="0")
    for path, kind in (("/short", TransientFailure), ("/busy", TransientFailure)):
        with pytest.raises(kind):
            await fetched(trap.url(path))
    for path in ("/zip", "/none"):
        with pytest.raises(PermanentFailure) as raised:
            await fetched(trap.url(path))
        assert raised.value.code == "url_not_fetchable"


async def test_a_url_that_is_told_to_people_does_not_show_its_signature(trap: Trap) -> None:
    with pytest.raises(PermanentFailure) as raised:
        await fetched(trap.url("/none?X-Goog-Signature=abc"))
    assert "abc" not in raised.value.message
