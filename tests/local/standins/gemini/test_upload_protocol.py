"""The upload protocol, header by header, as clients other than Google's speak it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.local.standins.gemini.conftest import KEY, Running
from tests.local.standins.gemini.media_samples import wav

CHUNK = 256 * 1024


def begin(wire: httpx2.Client, size: int | None = None, name: str | None = None, version: str = "v1beta") -> str:
    """The URL of a new upload."""
    headers = {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-type": "audio/wav",
    }
    if size is not None:
        headers["x-goog-upload-header-content-length"] = str(size)
    body = {"file": {"display_name": "spoken"} | ({"name": f"files/{name}"} if name else {})}
    answer = wire.post(f"/upload/{version}/files", headers=headers, json=body)
    answer.raise_for_status()
    assert answer.headers["x-goog-upload-status"] == "active"
    assert answer.headers["x-goog-upload-chunk-granularity"] == str(CHUNK)
    return answer.headers["x-goog-upload-url"]


def send(url: str, content: bytes, offset: int, command: str = "upload") -> httpx2.Response:
    headers = {"x-goog-upload-offset": str(offset), "x-goog-upload-command": command}
    return httpx2.post(url, content=content, headers=headers, timeout=30)


def received(url: str) -> int:
    answer = httpx2.post(url, headers={"x-goog-upload-command": "query"}, timeout=60)
    assert answer.headers["x-goog-upload-status"] == "active"
    return int(answer.headers["x-goog-upload-size-received"])


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_resumable_upload_needs_the_key_only_to_start(wire: httpx2.Client, version: str) -> None:
    content = wav(1)
    url = begin(wire, len(content), version=version)
    assert url.startswith(str(wire.base_url).rstrip("/"))
    answer = send(url, content, 0, "upload, finalize")
    assert answer.status_code == 200
    assert answer.headers["x-goog-upload-status"] == "final"
    file = answer.json()["file"]
    assert file["displayName"] == "spoken"
    assert file["sizeBytes"] == str(len(content))
    assert base64.b64decode(file["sha256Hash"]).decode() == hashlib.sha256(content).hexdigest()
    wire.delete(f"/{version}/{file['name']}")


def test_chunks_follow_each_other_and_query_tells_how_far_they_came(wire: httpx2.Client) -> None:
    content = wav(1) + b"\0" * (3 * CHUNK)
    url = begin(wire, len(content))
    assert received(url) == 0
    first = send(url, content[:CHUNK], 0)
    assert first.headers["x-goog-upload-status"] == "active"
    assert "file" not in first.text
    assert received(url) == CHUNK
    wrong = send(url, content[:CHUNK], 0)
    assert wrong.status_code == 400
    assert wrong.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert received(url) == CHUNK
    file = send(url, content[CHUNK:], CHUNK, "upload, finalize").json()["file"]
    assert file["sizeBytes"] == str(len(content))
    assert base64.b64decode(file["sha256Hash"]).decode() == hashlib.sha256(content).hexdigest()
    wire.delete(f"/v1beta/{file['name']}")


def test_finalize_may_come_alone(own: Running) -> None:
    url = begin(own.wire)
    send(url, b"\0" * CHUNK, 0)
    assert send(url, b"", CHUNK, "finalize").json()["file"]["sizeBytes"] == str(CHUNK)
    again = send(url, b"", CHUNK, "finalize")
    assert again.status_code == 404
    assert again.headers["x-goog-upload-status"] == "final"


def test_a_chunk_that_is_no_multiple_of_the_granularity_is_refused_unless_it_is_the_last(own: Running) -> None:
    url = begin(own.wire)
    assert send(url, b"\0" * (CHUNK + 1), 0).status_code == 400
    assert received(url) == 0
    assert send(url, b"\0" * (CHUNK + 1), 0, "upload, finalize").status_code == 200


def test_an_upload_of_another_size_than_announced_is_refused(own: Running) -> None:
    assert send(begin(own.wire, 100), b"\0" * 99, 0, "upload, finalize").status_code == 400
    assert send(begin(own.wire, 100), b"\0" * 101, 0, "upload, finalize").status_code == 400


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "x", ""])
def test_an_offset_or_length_that_is_no_number_is_refused(own: Running, number: str) -> None:
    headers = {"x-goog-upload-protocol": "resumable", "x-goog-upload-header-content-type": "audio/wav"}
    length = {"x-goog-upload-header-content-length": number}
    assert own.wire.post("/upload/v1beta/files", headers={**headers, **length}, json={}).status_code == 400
    chunk = {"x-goog-upload-command": "upload", "x-goog-upload-offset": number}
    assert httpx2.post(begin(own.wire), content=b"abc", headers=chunk, timeout=60).status_code == 400


def test_a_cancelled_upload_takes_nothing_more(own: Running) -> None:
    url = begin(own.wire)
    cancelled = httpx2.post(url, headers={"x-goog-upload-command": "cancel"}, timeout=60)
    assert cancelled.headers["x-goog-upload-status"] == "cancelled"
    later = send(url, b"", 0, "upload, finalize")
    assert later.status_code == 499
    assert later.json()["error"]["status"] == "CANCELLED"


def test_an_interrupted_upload_holds_its_name_though_the_file_is_not_there(own: Running) -> None:
    url = begin(own.wire, 2 * CHUNK, "mine")
    send(url, b"\0" * CHUNK, 0)
    with pytest.raises(httpx2.HTTPStatusError) as conflict:
        begin(own.wire, 2 * CHUNK, "mine")
    assert conflict.value.response.status_code == 409
    assert conflict.value.response.json()["error"]["status"] == "ALREADY_EXISTS"
    assert own.wire.get("/v1/files").json() == {}
    assert own.wire.get("/v1/files/mine").status_code == 403
    assert send(url, b"\0" * CHUNK, CHUNK, "upload, finalize").status_code == 200


def test_a_connection_that_breaks_leaves_what_was_received(own: Running) -> None:
    url = begin(own.wire, 4 * CHUNK)

    def broken() -> Iterator[bytes]:
        yield b"\0" * CHUNK
        raise ConnectionError("the line is cut")

    headers = {"x-goog-upload-offset": "0", "x-goog-upload-command": "upload", "content-length": str(4 * CHUNK)}
    with pytest.raises(ConnectionError):
        httpx2.post(url, content=broken(), headers=headers, timeout=60)
    while (place := received(url)) < CHUNK:
        time.sleep(0.01)
    assert place == CHUNK
    assert send(url, b"\0" * (3 * CHUNK), place, "upload, finalize").json()["file"]["sizeBytes"] == str(4 * CHUNK)


def test_a_session_survives_a_restart(start: Callable[..., Running], tmp_path: Path) -> None:
    content = wav(1) + b"\0" * (2 * CHUNK)
    first = start(tmp_path / "kept")
    path = begin(first.wire, len(content), "resumed").removeprefix(first.url)
    send(first.url + path, content[:CHUNK], 0)
    first.stop()
    second = start(tmp_path / "kept")
    assert received(second.url + path) == CHUNK
    file = send(second.url + path, content[CHUNK:], CHUNK, "upload, finalize").json()["file"]
    assert file["name"] == "files/resumed"
    assert base64.b64decode(file["sha256Hash"]).decode() == hashlib.sha256(content).hexdigest()


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from local.standins.gemini import GeminiStandIn\n"
        "from local.standins.wire_tap import Tap\n"
        "from shared.clock import Clock\n"
        "async def main():\n"
        "    stand_in = GeminiStandIn(clock=Clock(), data=pathlib.Path(sys.argv[1]), tap=Tap())\n"
        "    print(await stand_in.start(), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )

    @contextlib.contextmanager
    def running() -> Iterator[httpx2.Client]:
        """Until it is killed, which is how it ends."""
        command = [sys.executable, "-c", program, str(tmp_path)]
        root = Path(__file__).parents[4]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            try:
                assert process.stdout is not None
                url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
                with httpx2.Client(base_url=url, headers={"x-goog-api-key": KEY}, timeout=60) as wire:
                    yield wire
            finally:
                process.kill()

    content = wav(1) + b"\0" * (2 * CHUNK)
    with running() as wire:
        whole = send(begin(wire, len(content), "whole"), content, 0, "upload, finalize").json()["file"]
        half = begin(wire, len(content), "half")
        send(half, content[:CHUNK], 0)
    with running() as wire:
        assert wire.get("/v1/files/whole").json()["sha256Hash"] == whole["sha256Hash"]
        half = str(httpx2.URL(half).copy_with(port=wire.base_url.port))
        assert received(half) == CHUNK
        rest = send(half, content[CHUNK:], CHUNK, "upload, finalize")
        assert rest.json()["file"]["sha256Hash"] == whole["sha256Hash"]


def test_a_slow_link_takes_its_time_but_not_the_loop(own: Running) -> None:
    own.set_model(link_mib_s=2)
    url = begin(own.wire, 4 * CHUNK)
    began = time.monotonic()
    assert send(url, b"\0" * (4 * CHUNK), 0, "upload, finalize").status_code == 200
    assert time.monotonic() - began > 0.4


def test_small_files_go_in_one_request(own: Running) -> None:
    content = wav(1)
    metadata = json.dumps({"file": {"displayName": "whole", "mimeType": "audio/wav"}}).encode()
    body = (
        b"--cut\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + metadata
        + b"\r\n--cut\r\nContent-Type: audio/wav\r\n\r\n" + content + b"\r\n--cut--\r\n"
    )  # fmt: skip
    headers = {"x-goog-upload-protocol": "multipart", "content-type": "multipart/related; boundary=cut"}
    file = own.wire.post("/upload/v1beta/files", content=body, headers=headers).json()["file"]
    assert file["displayName"] == "whole"
    assert base64.b64decode(file["sha256Hash"]).decode() == hashlib.sha256(content).hexdigest()
    headers = {"x-goog-upload-protocol": "raw", "content-type": "audio/wav"}
    file = own.wire.post("/upload/v1beta/files", content=content, headers=headers).json()["file"]
    assert base64.b64decode(file["sha256Hash"]).decode() == hashlib.sha256(content).hexdigest()


def test_the_documented_shell_commands_upload_a_file(own: Running, tmp_path: Path) -> None:
    """The guide's curl calls, with the JSON in single quotes that the service's parser takes."""
    sample = tmp_path / "sample.wav"
    sample.write_bytes(wav(2))
    headers = tmp_path / "headers"
    start = f"""curl -s "{own.url}/upload/v1beta/files" -H "x-goog-api-key: {KEY}" -D {headers} \\
        -H "X-Goog-Upload-Protocol: resumable" -H "X-Goog-Upload-Command: start" \\
        -H "X-Goog-Upload-Header-Content-Length: {sample.stat().st_size}" \\
        -H "X-Goog-Upload-Header-Content-Type: audio/wav" -H "Content-Type: application/json" \\
        -d "{{'file': {{'display_name': 'AUDIO'}}}}"
        upload_url=$(grep -i "x-goog-upload-url: " {headers} | cut -d" " -f2 | tr -d "\\r")
        curl -s "$upload_url" -H "X-Goog-Upload-Offset: 0" -H "X-Goog-Upload-Command: upload, finalize" \\
        --data-binary "@{sample}" """
    output = subprocess.run(["bash", "-c", start], capture_output=True, text=True, check=True).stdout
    assert json.loads(output)["file"]["displayName"] == "AUDIO"
