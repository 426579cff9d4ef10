"""Context caches: made, used, prolonged, gone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from google.genai import errors, types

from tests.local.standins.gemini.conftest import Running, together
from tests.local.standins.gemini.media_samples import wav

MODEL = "models/gemini-2.5-flash-lite"
LONG = "A long story. " * 700


def make(running: Running, text: str = LONG, **config: object) -> types.CachedContent:
    return running.client.caches.create(
        model=MODEL,
        config=types.CreateCachedContentConfig.model_validate(
            {"contents": text, "system_instruction": "You know the story.", "ttl": "600s", **config}
        ),
    )


def test_a_cache_is_used_and_its_tokens_are_counted(own: Running) -> None:
    cache = make(own, display_name="The story")
    assert cache.name is not None
    assert cache.display_name == "The story"
    assert cache.model == MODEL
    assert cache.usage_metadata is not None
    held = cache.usage_metadata.total_token_count
    answer = own.client.models.generate_content(
        model=MODEL, contents="What is it about?", config={"cached_content": cache.name}
    )
    assert "What is it about?" in (answer.text or "")
    assert "You know the story." in (answer.text or "")
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.cached_content_token_count == held
    assert usage.prompt_token_count == (held or 0) + 5
    assert usage.cache_tokens_details is not None


def test_media_can_be_cached(own: Running) -> None:
    file = own.client.files.upload(file=io.BytesIO(wav(120, 100)), config={"mime_type": "audio/wav"})
    cache = own.client.caches.create(
        model=MODEL, config=types.CreateCachedContentConfig(contents=together(file), ttl="600s")
    )
    own.client.files.delete(name=file.name or "")
    answer = own.client.models.generate_content(
        model=MODEL, contents="Transcribe it.", config={"cached_content": cache.name}
    )
    assert "[02:00] (end)" in (answer.text or "")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.cached_content_token_count == 120 * 32


def test_a_cache_expires_is_prolonged_listed_and_deleted(own: Running) -> None:
    first, second = make(own), make(own)
    assert [cache.name for cache in own.client.caches.list()] == [second.name, first.name]
    own.client.caches.update(name=first.name or "", config={"ttl": "3600s"})
    own.clock.advance(601)
    assert [cache.name for cache in own.client.caches.list()] == [first.name]
    with pytest.raises(errors.ClientError) as gone:
        own.client.caches.get(name=second.name or "")
    assert gone.value.code == 403
    assert gone.value.message == "CachedContent not found (or permission denied)"
    own.client.caches.delete(name=first.name or "")
    with pytest.raises(errors.ClientError):
        own.client.models.generate_content(model=MODEL, contents="Hi", config={"cached_content": first.name})


def test_a_small_cache_is_refused_with_the_least_size(own: Running) -> None:
    with pytest.raises(errors.ClientError, match=r"total_token_count=\d+, min_total_token_count=2048"):
        make(own, "too short")
    with pytest.raises(errors.ClientError, match="min_total_token_count=4096"):
        own.client.caches.create(model="gemini-3.8-flash", config={"contents": LONG})


def test_a_cache_goes_with_its_model_and_with_nothing_that_it_holds(own: Running) -> None:
    cache = make(own)
    with pytest.raises(errors.ClientError, match="has to be the same"):
        own.client.models.generate_content(
            model="gemini-3.8-flash", contents="Hi", config={"cached_content": cache.name}
        )
    with pytest.raises(errors.ClientError, match="CachedContent can not be used with GenerateContent request setting"):
        own.client.models.generate_content(
            model=MODEL, contents="Hi", config={"cached_content": cache.name, "system_instruction": "No"}
        )


def test_only_the_expiration_can_be_changed(own: Running) -> None:
    cache = make(own)
    answer = own.wire.patch(f"/v1beta/{cache.name}", json={"displayName": "Other"})
    assert answer.status_code == 400
    assert own.wire.patch(f"/v1beta/{cache.name}?updateMask=ttl", json={"ttl": "-5s"}).status_code == 400
    kept = own.wire.patch(f"/v1beta/{cache.name}?updateMask=expireTime", json={"expireTime": "2100-01-01T00:00:00Z"})
    assert kept.json()["expireTime"].startswith("2100-01-01T00:00:00")


def test_caches_survive_a_restart(start: Callable[..., Running], tmp_path: Path) -> None:
    first = start(tmp_path / "kept")
    cache = make(first)
    first.stop()
    second = start(tmp_path / "kept")
    answer = second.client.models.generate_content(
        model=MODEL, contents="What is it about?", config={"cached_content": cache.name}
    )
    assert "You know the story." in (answer.text or "")
