"""A file arrives whole at the Files API: a small one in one request, a large one as one stream that may break off."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from local.standins.gemini import GeminiStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.gemini import Gemini
from shared.cloud.object_stream import PIECE_BYTES, StreamStopped
from shared.domain.errors import ConnectionBroken
from shared.domain.service_errors import NameTaken
from shared.domain.tasks.task import GeminiFile
from shared.sized_stream import ReadableStream

DATA = random.Random(3).randbytes(2 * PIECE_BYTES + 100)


class Line:
    """The line to the service, which breaks as its tests want it to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.breaks_after: list[int] = []
        """For each connection to come, the bytes after which it breaks; later ones do not break."""
        self.loses_final_answer = False
        self.sent = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        most = self.breaks_after.pop(0) if self.breaks_after else None
        answers, requests = await asyncio.open_connection("127.0.0.1", self._port)
        answering = asyncio.create_task(self._pass_answers(answers, writer))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.sent += len(data)
                if most is not None:
                    data, most = data[:most], most - len(data)
                requests.write(data)
                await requests.drain()
                if most is not None and most <= 0:
                    writer.transport.abort()
                    break
        requests.close()
        await answering

    async def _pass_answers(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await answers.read(1 << 16):
                if self.loses_final_answer and b"upload-status: final" in data.lower():
                    self.loses_final_answer = False
                    writer.transport.abort()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def model(tmp_path: Path, clock: MovableClock, tap: Tap) -> AsyncIterator[GeminiStandIn]:
    model = GeminiStandIn(clock=clock, data=tmp_path / "gemini", tap=tap)
    yield model
    await model.stop()


@pytest.fixture
async def line(model: GeminiStandIn) -> Line:
    return Line(await model.start())


@pytest.fixture
async def gemini(line: Line, clock: MovableClock, environment: pytest.MonkeyPatch) -> AsyncIterator[Gemini]:
    server = await asyncio.start_server(line, "127.0.0.1", 0)
    environment.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    gemini = Gemini("a-key", clock, threads=1)
    yield gemini
    await gemini.aclose()
    server.close()


class Opened(ReadableStream):
    """A stream that is not in memory as a whole, as far as the upload knows."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data

    def read(self, size: int | None = -1) -> bytes:
        piece = self._data[self._at :][: len(self._data) if size is None or size < 0 else size]
        self._at += len(piece)
        return piece


class ReadOnce(Opened):
    """Is read from start to end, as what is fetched from the web."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._read = 0

    def read(self, size: int | None = -1) -> bytes:
        if self._at != self._read:
            raise io.UnsupportedOperation("it is read once, from start to end")
        piece = super().read(size)
        self._read += len(piece)
        return piece


class Stopped(Opened):
    """Is stopped once a piece has been read."""

    def read(self, size: int | None = -1) -> bytes:
        if self._at:
            raise StreamStopped("the transfer was stopped")
        return super().read(size)


async def upload(gemini: Gemini, stream: io.IOBase) -> GeminiFile:
    return await gemini.upload(stream, file_id="one", mime_type="text/plain", display_name="Größe.txt", input=0)


async def size_of(gemini: Gemini) -> int | None:
    return (await gemini.sdk.files.get(name="files/one")).size_bytes


@pytest.mark.parametrize("data", [b"", b"two\r\nlines\n\n", "Größe".encode(), b"--\r\n", DATA[: 256 << 10]])
@pytest.mark.parametrize("kind", [io.BytesIO, Opened])
async def test_a_small_file_is_uploaded_in_one_request(
    tap: Tap, gemini: Gemini, kind: Callable[[bytes], io.IOBase], data: bytes
) -> None:
    before = tap.ledger.total_calls
    file = await upload(gemini, kind(data))
    assert tap.ledger.total_calls == before + 1
    assert (file.name, file.mime_type, file.active) == ("files/one", "text/plain", True)
    stored = await gemini.sdk.files.get(name="files/one")
    assert (stored.display_name, stored.size_bytes) == ("Größe.txt", len(data))
    assert stored.sha256_hash == base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()


@pytest.mark.parametrize("data", [b"a few words", DATA])
async def test_a_name_that_is_in_use_is_refused(gemini: Gemini, data: bytes) -> None:
    await upload(gemini, io.BytesIO(data))
    with pytest.raises(NameTaken):
        await upload(gemini, io.BytesIO(data))


async def test_a_large_file_is_uploaded_in_two_requests(tap: Tap, gemini: Gemini) -> None:
    before = tap.ledger.total_calls
    await upload(gemini, Opened(DATA))
    assert tap.ledger.total_calls == before + 2
    assert await size_of(gemini) == len(DATA)


async def test_an_upload_that_breaks_off_goes_on_from_where_it_broke(line: Line, gemini: Gemini) -> None:
    line.breaks_after = [PIECE_BYTES + (1 << 20)]
    file = await upload(gemini, Opened(DATA))
    assert file.active
    assert await size_of(gemini) == len(DATA)
    assert line.sent < len(DATA) + PIECE_BYTES


async def test_an_upload_whose_answer_was_lost_is_found_and_not_sent_again(line: Line, gemini: Gemini) -> None:
    line.loses_final_answer = True
    file = await upload(gemini, Opened(DATA))
    assert file.name == "files/one"
    assert line.sent < len(DATA) + (1 << 16)


async def test_an_upload_that_gets_no_further_fails(line: Line, gemini: Gemini) -> None:
    line.breaks_after = [PIECE_BYTES, *[0] * 20]
    with pytest.raises(ConnectionBroken):
        await upload(gemini, Opened(DATA))


async def test_an_error_of_the_stream_is_not_taken_for_one_of_the_connection(gemini: Gemini) -> None:
    with pytest.raises(StreamStopped):
        await upload(gemini, Stopped(DATA))


async def test_a_stream_that_is_read_once_is_given_up_where_it_broke(line: Line, gemini: Gemini) -> None:
    line.breaks_after = [PIECE_BYTES]
    with pytest.raises(ConnectionBroken, match="UnsupportedOperation"):
        await upload(gemini, ReadOnce(DATA))
