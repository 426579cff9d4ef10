"""The Files API through the real client: uploads, look-ups, names, limits, expiry, failures."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from google import genai
from google.genai import errors, types

from tests.local.standins.gemini.conftest import Running, together
from tests.local.standins.gemini.media_samples import mp4, png, wav

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


def upload(client: genai.Client, content: bytes, mime_type: str = "audio/wav", name: str | None = None) -> types.File:
    return client.files.upload(file=io.BytesIO(content), config={"mime_type": mime_type, "name": name})


def refusal(error: pytest.ExceptionInfo[errors.APIError]) -> tuple[int, str | None]:
    return error.value.code, error.value.status


def test_an_uploaded_file_is_described_as_the_service_does(client: genai.Client, tmp_path: Path) -> None:
    content = wav(2)
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    file = client.files.upload(file=path, config={"display_name": "A speech"})
    assert file.name is not None
    assert file.name.startswith("files/")
    assert file.display_name == "A speech"
    assert file.mime_type in ("audio/wav", "audio/x-wav")
    assert file.size_bytes == len(content)
    assert base64.b64decode(file.sha256_hash or "").decode() == hashlib.sha256(content).hexdigest()
    assert file.uri is not None
    assert file.uri.endswith(f"/v1beta/{file.name}")
    assert file.source == types.FileSource.UPLOADED
    assert file.create_time is not None
    assert file.expiration_time is not None
    assert (file.expiration_time - file.create_time).total_seconds() == pytest.approx(48 * 3600, abs=1)
    found = client.files.get(name=file.name)
    assert found.state == types.FileState.ACTIVE
    assert found.sha256_hash == file.sha256_hash
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as missing:
        client.files.get(name=file.name)
    assert refusal(missing) == (403, "PERMISSION_DENIED")
    file_id = file.name.removeprefix("files/")
    assert missing.value.message == (f"You do not have permission to access the File {file_id} or it may not exist.")


async def test_the_async_client_uploads_and_deletes(aio: genai.client.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png())
    file = await aio.files.upload(file=path)
    assert file.name is not None
    assert (await aio.files.get(name=file.name)).mime_type == "image/png"
    assert file.name in [one.name async for one in await aio.files.list()]
    await aio.files.delete(name=file.name)
    with pytest.raises(errors.ClientError):
        await aio.files.delete(name=file.name)


def test_a_file_of_several_chunks_arrives_whole(client: genai.Client) -> None:
    content = wav(1) + bytes(range(256)) * (70 * 1024)
    file = upload(client, content)
    assert file.size_bytes == len(content)
    assert base64.b64decode(file.sha256_hash or "").decode() == hashlib.sha256(content).hexdigest()


def test_an_empty_file_can_be_uploaded(own: Running) -> None:
    assert upload(own.client, b"", "text/plain").state == types.FileState.ACTIVE
    assert upload(own.client, b"", "audio/wav").state == types.FileState.FAILED


@pytest.mark.parametrize("name", ["a", "a1", "my-file-2", "x" * 40])
def test_the_caller_may_choose_a_name(own: Running, name: str) -> None:
    assert upload(own.client, wav(1), name=name).name == f"files/{name}"


@pytest.mark.parametrize("name", ["-a", "a-", "A", "a_b", "x" * 41, "a/b", "ä"])
def test_a_name_that_breaks_the_rules_is_refused(client: genai.Client, name: str) -> None:
    with pytest.raises(errors.ClientError) as error:
        upload(client, wav(1), name=name)
    assert refusal(error) == (400, "INVALID_ARGUMENT")


def test_a_name_in_use_is_refused_until_its_file_is_deleted(own: Running) -> None:
    upload(own.client, wav(1), name="mine")
    with pytest.raises(errors.ClientError) as error:
        upload(own.client, wav(1), name="mine")
    assert refusal(error) == (409, "ALREADY_EXISTS")
    own.client.files.delete(name="mine")
    assert upload(own.client, wav(1), name="mine").name == "files/mine"


def test_files_are_listed_in_pages_newest_first(own: Running) -> None:
    names = [upload(own.client, wav(1), name=f"file-{number}").name for number in range(5)]
    pager = own.client.files.list(config={"page_size": 2})
    assert len(pager) == 2
    assert [file.name for file in pager] == names[::-1]


def test_a_video_is_processed_before_it_is_active(own: Running) -> None:
    file = upload(own.client, mp4(5), "video/mp4")
    assert file.name is not None
    assert file.state == types.FileState.PROCESSING
    with pytest.raises(errors.ClientError) as early:
        own.client.models.generate_content(model="gemini-2.5-flash-lite", contents=together(file, "What happens?"))
    assert refusal(early) == (400, "FAILED_PRECONDITION")
    assert "is not in an ACTIVE state and usage is not allowed" in str(early.value)
    own.clock.advance(10)
    active = own.client.files.get(name=file.name)
    assert active.state == types.FileState.ACTIVE
    assert active.video_metadata == {"videoDuration": "5s"}


def test_processing_takes_as_long_as_it_is_set_to(own: Running) -> None:
    own.set_model(processing="1h")
    file = upload(own.client, wav(1))
    assert file.name is not None
    own.clock.advance(3599)
    assert own.client.files.get(name=file.name).state == types.FileState.PROCESSING
    own.clock.advance(2)
    assert own.client.files.get(name=file.name).state == types.FileState.ACTIVE


def test_media_that_cannot_be_decoded_fails(own: Running) -> None:
    for mime_type in ("audio/mp3", "video/mp4", "image/png", "application/pdf"):
        file = upload(own.client, b"this is no medium at all, whatever it says", mime_type)
        own.clock.advance(10)
        found = own.client.files.get(name=file.name or "")
        assert found.state == types.FileState.FAILED
        assert found.error is not None
        assert found.error.message
        with pytest.raises(errors.ClientError) as error:
            own.client.models.generate_content(model="gemini-2.5-flash-lite", contents=together(found, "Hello"))
        assert refusal(error) == (400, "FAILED_PRECONDITION")


def test_a_file_expires_after_48_hours(own: Running) -> None:
    file = upload(own.client, wav(1))
    own.clock.advance(48 * 3600 - 60)
    assert own.client.files.get(name=file.name or "").state == types.FileState.ACTIVE
    own.clock.advance(120)
    with pytest.raises(errors.ClientError) as gone:
        own.client.files.get(name=file.name or "")
    assert refusal(gone) == (403, "PERMISSION_DENIED")
    assert list(own.client.files.list()) == []


def test_a_file_over_2_gb_is_refused_at_the_start(own: Running) -> None:
    answer = own.wire.post(
        "/upload/v1/files",
        headers={
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(2 * 1024**3 + 1),
            "x-goog-upload-header-content-type": "video/mp4",
        },
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_project_that_is_full_is_refused(own: Running) -> None:
    own.set_model(store_mib=0.05)
    upload(own.client, wav(2))
    with pytest.raises(errors.ClientError) as full:
        upload(own.client, wav(2))
    assert refusal(full) == (429, "RESOURCE_EXHAUSTED")
    assert "file_storage_bytes" in str(full.value)
    own.set_model(store_mib=None)
    upload(own.client, wav(2))


def test_files_and_the_sessions_of_uploads_survive_a_restart(start: Callable[..., Running], tmp_path: Path) -> None:
    first = start(tmp_path / "kept")
    file = upload(first.client, wav(3), name="kept-file")
    first.stop()
    second = start(tmp_path / "kept")
    found = second.client.files.get(name="kept-file")
    assert found.sha256_hash == file.sha256_hash
    answer = second.client.models.generate_content(
        model="gemini-2.5-flash-lite", contents=together(found, "How long is this?")
    )
    assert "00:03" in (answer.text or "")


def test_registering_and_downloading_files_are_said_not_to_be_here(own: Running) -> None:
    registered = own.wire.post("/v1/files:register", json={"uris": ["gs://bucket/object"]})
    assert registered.status_code == 501
    assert registered.json()["error"]["status"] == "UNIMPLEMENTED"
    upload(own.client, wav(1), name="mine")
    with pytest.raises(errors.ClientError):
        own.client.files.download(file="files/mine")
