"""Requests to a transcribing model: it is sent the recording and its settings, and never a prompt."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from shared.domain.errors import PermanentFailure, RequestRefused
from shared.domain.media import Facts, media_type
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.to_recipe import ResolvedRequest
from shared.domain.request.validation import read_and_check, refuse_file
from shared.domain.request.wire import body

TODAY = date(2026, 11, 26)


def resolved(**fields: Any) -> ResolvedRequest:
    request = {"model": "gemini-3.5-transcribe", "audio_url": "gs://inbox/a.wav", "recipe": "transcribe-words"}
    return read_and_check(json.dumps({**request, **fields}).encode(), TODAY)


def with_settings(**settings: Any) -> dict[str, Any]:
    return {"extra_body": {"google": {"audio_transcription_config": settings}}}


def test_the_recording_and_its_settings_are_all_that_is_sent() -> None:
    request = resolved(system_prompt="Be brief.", **with_settings(language_codes=["de", "en-US"]))
    assert body(request, [PreparedFile("audio/wav", uri="files/a")], TODAY) == {
        "contents": [{"role": "user", "parts": [{"fileData": {"mimeType": "audio/wav", "fileUri": "files/a"}}]}],
        "generationConfig": {
            "audioTranscriptionConfig": {"wordTimestamp": True, "diarization": True, "languageCodes": ["de", "en-US"]}
        },
    }


def test_a_vocabulary_is_sent_where_no_times_of_words_are_asked_for() -> None:
    settings = with_settings(custom_vocabulary=["Ampère"])
    sent = body(resolved(recipe=None, **settings), [PreparedFile("audio/wav", uri="files/a")], TODAY)
    assert sent["generationConfig"] == {"audioTranscriptionConfig": {"customVocabulary": ["Ampère"]}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "gemini-3.8-flash"}, "model"),
        ({"stream": True}, "stream"),
        ({"n": 2}, "n"),
        ({"n": 2, "recipe": None, **with_settings(language_codes=["de"])}, "n"),
        (with_settings(custom_vocabulary=["Ampère"]), "extra_body.google.audio_transcription_config"),
        (with_settings(language_codes=["Deutsch!"]), "extra_body.google.audio_transcription_config.language_codes.0"),
        ({"audio_url": None, "messages": [{"role": "user", "content": "Hello"}]}, "messages"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_its_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        resolved(**fields)
    assert refused.value.param == param


def test_times_of_words_are_given_for_half_an_hour() -> None:
    recipe = resolved().recipe
    for seconds in (None, 1800.0):
        refuse_file(
            recipe, "audio_url", Facts(media_type=media_type("audio/wav"), size=1, duration=seconds), alone=True
        )
    with pytest.raises(PermanentFailure, match="30 minutes at most; this has 45") as refused:
        refuse_file(recipe, "audio_url", Facts(media_type=media_type("audio/wav"), size=1, duration=2700), alone=True)
    assert refused.value.code == "media_too_long"
