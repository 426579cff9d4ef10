"""Metadata, names and objects that cannot be read end a task at once, with a sentence; nothing is tried eight times."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from zlib import crc32

import pytest

from local.standins.faults import Fault
from tests.functions.generate.conftest import INBOX, RULED, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")


RULES = """
[[recipe]]
name = "any"
takes = ["text"]
for = {}
prompt = "Sum it up."
allow = ["schema", "range", "thinking", "temperature", "max_tokens", "with", "model"]
"""


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("schema", "[" * 3000),
        ("schema", '{"a":' * 1500),
        ("schema", "9" * 5000),
        ("thinking", "9" * 5000),
        ("temperature", "nan"),
        ("temperature", "1e999"),
        ("max_tokens", "9" * 5000),
        ("range", "00:99-99:99:99"),
        ("with", "n" * 2000),
        ("with", "é" * 600),
    ],
)
async def test_metadata_that_cannot_be_meant_fails_at_once(system: System, setting: str, value: str) -> None:
    await system.drop("recipes.toml", RULES.encode(), bucket="settings")
    system.clock.advance(30)
    name = f"metadata/{setting}-{crc32(value.encode())}.txt"
    task = await system.answered(name, b"A text.\n", bucket=RULED, **{f"dropsight_{setting}": value})
    assert task.error is not None
    assert task.error.code in ("invalid_param", "source_gone")
    assert task.attempts == 0
    assert not system.model.asked


async def test_a_name_that_no_object_can_have_is_not_there(system: System) -> None:
    for number, name in enumerate(("é" * 700, "..", "a\tb" * 200)):
        task = await system.requested(f"name-{number}", audio_url=f"gs://{INBOX}/{name}")
        assert task.error is not None
        assert task.error.code in ("source_gone", "invalid_manifest"), task.error
        assert task.attempts == 0


async def test_a_manifest_with_a_key_of_its_writer_fails_at_once(system: System) -> None:

    def write() -> None:
        blob = system.objects.bucket("requests").blob("manifests/tests/own-key.json", encryption_key=os.urandom(32))
        blob.upload_from_string(b"{}", content_type="application/json")

    await asyncio.to_thread(write)
    task = await system.until(
        "gs://requests/manifests/tests/own-key.json", lambda task: task.terminal and not task.after
    )
    assert task.error is not None
    assert task.error.code == "source_not_readable"
    assert task.attempts == 0


async def test_a_packed_manifest_is_read_as_what_it_holds(system: System) -> None:

    await system.drop("for-packed.wav", SAMPLES / "speech.wav")
    body = json.dumps({"model": "gemini-2.5-flash-lite", "audio_url": f"gs://{INBOX}/for-packed.wav"}).encode()

    def write() -> None:
        blob = system.objects.bucket("requests").blob("manifests/tests/packed.json")
        blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(body), content_type="application/json")

    await asyncio.to_thread(write)
    task = await system.until(
        "gs://requests/manifests/tests/packed.json", lambda task: task.terminal and not task.after
    )
    assert task.error is None, task.error


async def test_a_named_object_that_may_not_be_read_ends_the_request_at_once(system: System) -> None:
    system.tap.faults.add([Fault(service="storage", match="not-granted.wav", status=403)])
    task = await system.requested("not-granted", audio_url=f"gs://{INBOX}/not-granted.wav")
    assert task.error is not None
    assert task.error.code == "source_not_readable"
    assert f"gs://{INBOX}/not-granted.wav" in task.error.message
    assert (task.attempts, task.waited) == (0, None)


async def test_a_dropped_object_that_may_not_be_read_waits_for_the_operator(system: System) -> None:
    system.tap.faults.add([Fault(service="storage", match="GET /storage/v1/b/inbox/o/held.txt", status=403)])
    uri = await system.drop("held.txt", b"Some text.\n")
    held = await system.until(uri, lambda task: task.waiting is not None)
    assert held.waiting is not None
    assert held.waiting.reason == "blocked"
    system.tap.faults.clear()
    system.clock.advance(600)
    assert (await system.until(uri, lambda task: task.terminal and not task.after)).error is None
