"""The model catalogue, and what prompts cost by modality."""

from __future__ import annotations

import io
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.local.standins.gemini import media_samples
from tests.local.standins.gemini.conftest import Running, connect, together

MODEL = "gemini-2.5-flash-lite"
Counts = dict[str, int]


def test_models_are_listed_with_limits_and_methods(client: genai.Client) -> None:
    models = {model.name: model for model in client.models.list(config={"page_size": 5})}
    flash = models["models/gemini-3.8-flash"]
    assert flash.input_token_limit == 1_048_576
    assert flash.output_token_limit == 65_536
    assert "generateContent" in (flash.supported_actions or [])
    assert "countTokens" in (flash.supported_actions or [])


@pytest.mark.parametrize(
    "model",
    ["gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-3-flash-preview", "gemini-2.5-flash-lite"],
)
def test_the_documented_models_answer(shared: Running, model: str) -> None:
    assert shared.client.models.get(model=model).name == f"models/{model}"
    answer = shared.client.models.generate_content(model=model, contents="Hello")
    assert answer.model_version == model
    assert answer.text


def test_the_latest_aliases_are_known_to_v1beta_only(shared: Running) -> None:
    with pytest.raises(errors.ClientError) as unknown:
        shared.client.models.generate_content(model="gemini-flash-latest", contents="Hello")
    assert unknown.value.code == 404
    assert unknown.value.status == "NOT_FOUND"
    beta = types.HttpOptions(api_version="v1beta")
    answer = shared.client.models.generate_content(
        model="gemini-flash-latest", contents="Hello", config=types.GenerateContentConfig(http_options=beta)
    )
    assert answer.model_version == "gemini-3.8-flash"


def test_an_unknown_model_is_not_found_in_the_services_words(client: genai.Client) -> None:
    beta = types.HttpOptions(api_version="v1beta")
    with pytest.raises(errors.ClientError) as unknown:
        client.models.generate_content(
            model="gemini-0.1", contents="Hello", config=types.GenerateContentConfig(http_options=beta)
        )
    assert unknown.value.code == 404
    assert "models/gemini-0.1 is not found for API version v1beta, or is not supported for generateContent." in str(
        unknown.value
    )
    with pytest.raises(errors.ClientError):
        client.models.get(model="gemini-0.1")


def counts(running: Running, *pieces: types.PartUnionDict, model: str = MODEL, **config: Any) -> Counts:
    answer = running.client.models.generate_content(
        model=model, contents=together(*pieces), config=types.GenerateContentConfig.model_validate(config)
    )
    usage = answer.usage_metadata
    assert usage is not None
    found = {one.modality.value: one.token_count or 0 for one in usage.prompt_tokens_details or [] if one.modality}
    assert usage.prompt_token_count == sum(found.values())
    assert usage.total_token_count == (
        usage.prompt_token_count + (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    )
    if "thinking_config" not in config and not config:
        counted = running.client.models.count_tokens(model=model, contents=together(*pieces))
        assert counted.total_tokens == usage.prompt_token_count
    return found


def part(content: bytes, mime_type: str, level: str | None = None) -> types.Part:
    resolution = types.PartMediaResolution(level=types.PartMediaResolutionLevel(level)) if level else None
    return types.Part(inline_data=types.Blob(data=content, mime_type=mime_type), media_resolution=resolution)


def test_media_are_counted_by_their_modality(shared: Running) -> None:
    assert counts(shared, "x" * 400) == {"TEXT": 100}
    assert counts(shared, part(media_samples.wav(60, 100), "audio/wav")) == {"AUDIO": 1920}
    assert counts(shared, part(media_samples.pdf("a", "b", "c"), "application/pdf")) == {"DOCUMENT": 3 * 258}
    assert counts(shared, part(media_samples.png(384, 384), "image/png")) == {"IMAGE": 258}
    assert counts(shared, part(media_samples.png(960, 540), "image/png")) == {"IMAGE": 6 * 258}
    assert counts(shared, part(media_samples.mp4(10), "video/mp4")) == {"VIDEO": 2580, "AUDIO": 320}
    assert counts(shared, part(b"x" * 40, "text/markdown"), "Hello") == {"TEXT": 12}


def test_gemini_3_counts_pages_as_images(shared: Running) -> None:
    report = part(media_samples.pdf("a", "b"), "application/pdf")
    assert counts(shared, report, model="gemini-3.1-pro-preview") == {"IMAGE": 2 * 258}


def test_a_lower_media_resolution_costs_less(shared: Running) -> None:
    low = {"media_resolution": "MEDIA_RESOLUTION_LOW"}
    assert counts(shared, part(media_samples.png(960, 540), "image/png"), **low) == {"IMAGE": 64}
    assert counts(shared, part(media_samples.mp4(10), "video/mp4"), **low)["VIDEO"] == 660
    levels = [
        counts(
            shared, part(media_samples.png(), "image/png", f"MEDIA_RESOLUTION_{level}"), model="gemini-3.1-pro-preview"
        )
        for level in ("LOW", "MEDIUM", "HIGH", "ULTRA_HIGH")
    ]
    assert [level["IMAGE"] for level in levels] == sorted(level["IMAGE"] for level in levels)
    assert levels[0] != levels[3]


def test_tokens_of_a_whole_request_can_be_counted(shared: Running) -> None:
    request = {
        "model": f"models/{MODEL}",
        "contents": [{"parts": [{"text": "x" * 40}]}],
        "systemInstruction": {"parts": [{"text": "y" * 40}]},
        "tools": [{"functionDeclarations": [{"name": "tell_time", "description": "z" * 40}]}],
    }
    url = f"/v1beta/models/{MODEL}:countTokens"
    counted = shared.wire.post(url, json={"generateContentRequest": request}).json()
    assert counted["totalTokens"] > 30
    usage = shared.wire.post(
        f"/v1beta/models/{MODEL}:generateContent", json={k: v for k, v in request.items() if k != "model"}
    ).json()["usageMetadata"]
    assert usage["promptTokenCount"] == counted["totalTokens"]


async def test_what_is_not_served_says_so(shared: Running) -> None:
    for method, path in (
        ("POST", f"/v1beta/models/{MODEL}:batchGenerateContent"),
        ("GET", "/v1beta/batches"),
        ("POST", "/v1beta/corpora"),
    ):
        answer = shared.wire.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 501
        assert answer.json()["error"]["status"] == "UNIMPLEMENTED"
    assert shared.wire.get("/v1beta/nothing/here").status_code == 404


def test_a_client_may_be_closed_and_another_opened(shared: Running) -> None:
    other = connect(shared.url)
    file = other.files.upload(file=io.BytesIO(b"Hello"), config={"mime_type": "text/plain"})
    other.close()
    assert shared.client.files.get(name=file.name or "").mime_type == "text/plain"
