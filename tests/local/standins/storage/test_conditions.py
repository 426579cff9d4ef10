from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.storage.exceptions import InvalidResponse

Call = Callable[..., Any]


@pytest.fixture
def blob(bucket: Any) -> Any:
    made = bucket.blob("x")
    made.upload_from_string(b"first")
    return made


def calls_on(blob: Any) -> dict[str, Call]:
    other = blob.bucket.blob("other")
    return {
        "upload": lambda **conditions: blob.bucket.blob("x").upload_from_string(b"again", **conditions),
        "patch": blob.patch,
        "update": blob.update,
        "compose": lambda **conditions: blob.compose([blob], **conditions),
        "rewrite": lambda **conditions: blob.bucket.blob("x").rewrite(other, **conditions),
        "copy": lambda **conditions: blob.bucket.copy_blob(other, blob.bucket, "x", **conditions),
        "move": lambda **conditions: blob.bucket.move_blob(other, "x", **conditions),
        "delete": lambda **conditions: blob.bucket.delete_blob("x", **conditions),
    }


WRITES = ["upload", "patch", "update", "compose", "rewrite", "copy", "move", "delete"]


@pytest.mark.parametrize("name", WRITES)
def test_every_write_keeps_every_precondition(blob: Any, name: str) -> None:
    blob.bucket.blob("other").upload_from_string(b"other")
    call = calls_on(blob)[name]
    generation, metageneration = blob.generation, blob.metageneration
    wrong: list[dict[str, int]] = [{"if_generation_match": 1}, {"if_metageneration_match": metageneration + 1}]
    if name != "compose":
        wrong.append({"if_generation_not_match": generation})
    if name not in ("compose", "upload"):  # the client misspells this condition of an upload
        wrong.append({"if_metageneration_not_match": metageneration})
    if name in ("upload", "copy", "rewrite", "move"):
        wrong.append({"if_generation_match": 0})
    for conditions in wrong:
        with pytest.raises(exceptions.PreconditionFailed):
            call(**conditions)
    assert blob.bucket.blob("x").download_as_bytes() == b"first"
    call(if_generation_match=generation, if_metageneration_match=metageneration)


@pytest.mark.parametrize("read", ["reload", "exists", "download_as_bytes"])
def test_every_read_keeps_every_precondition(blob: Any, read: str) -> None:
    call = getattr(blob.bucket.blob("x"), read)
    with pytest.raises(exceptions.PreconditionFailed):
        call(if_generation_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        call(if_metageneration_match=9)
    with pytest.raises(exceptions.NotModified):
        call(if_generation_not_match=blob.generation)
    with pytest.raises(exceptions.NotModified):
        call(if_metageneration_not_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        call(if_etag_match="another")
    with pytest.raises(exceptions.NotModified):
        call(if_etag_not_match=blob.etag)
    call(
        if_generation_match=blob.generation,
        if_metageneration_match=1,
        if_generation_not_match=1,
        if_etag_match=blob.etag,
    )


@pytest.mark.parametrize("name", ["rewrite", "copy", "move"])
def test_conditions_on_the_source_are_kept(blob: Any, name: str) -> None:
    bucket = blob.bucket
    call: Call = {
        "rewrite": lambda **conditions: bucket.blob("to").rewrite(blob, **conditions),
        "copy": lambda **conditions: bucket.copy_blob(blob, bucket, "to", **conditions),
        "move": lambda **conditions: bucket.move_blob(blob, "to", **conditions),
    }[name]
    for conditions in (
        {"if_source_generation_match": 1},
        {"if_source_generation_not_match": blob.generation},
        {"if_source_metageneration_match": 9},
        {"if_source_metageneration_not_match": 1},
    ):
        with pytest.raises(exceptions.PreconditionFailed):
            call(**conditions)
    assert not bucket.blob("to").exists()
    call(if_source_generation_match=blob.generation, if_source_metageneration_match=1)
    assert bucket.blob("to").download_as_bytes() == b"first"


def test_only_one_of_many_creates_an_object(bucket: Any) -> None:
    bucket.blob("x").upload_from_string(b"winner", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("x").upload_from_string(b"loser", if_generation_match=0)
    bucket.delete_blob("x")
    bucket.blob("x").upload_from_string(b"next", if_generation_match=0)


def test_a_file_opened_for_writing_keeps_its_precondition(blob: Any) -> None:
    file = blob.bucket.blob("x").open("wb", if_generation_match=0)
    file.write(b"late")
    with pytest.raises(InvalidResponse, match="412"):
        file.close()


def test_a_condition_that_is_no_number_is_refused(blob: Any) -> None:
    with pytest.raises(exceptions.BadRequest):
        blob.reload(if_generation_match="soon")
