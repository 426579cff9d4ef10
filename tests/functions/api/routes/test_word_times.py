"""OpenAI's transcription by a model that gives times of words and speakers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import srt
import webvtt
from openai.types.audio import TranscriptionVerbose

from tests.functions.api.conftest import SAMPLES, System
from tests.functions.api.openai_calls import openai_client, tasks_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = SAMPLES / "speech.wav"


async def test_times_of_words_come_from_a_model_that_gives_them(system: System) -> None:
    async with openai_client(system, "words") as client:
        create = client.audio.transcriptions.with_raw_response.create
        answer = await create(
            model="whisper-1",
            file=SPEECH,
            language="de",
            prompt="Ampère",
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
    verbose = answer.parse()
    assert isinstance(verbose, TranscriptionVerbose)
    assert verbose.language == "de"
    assert verbose.words
    assert [word.word for word in verbose.words] == verbose.text.split()
    assert all(before.end <= after.start for before, after in pairwise(verbose.words))
    assert all(0 <= word.start < word.end <= verbose.duration + 1 for word in verbose.words)
    assert answer.headers["x-dropsight-ignored"] == "prompt"
    [task] = await tasks_of(system, "words")
    assert (task["model"], task["recipe"]) == ("gemini-3.5-transcribe", "transcribe-words")


async def test_subtitles_and_speakers_of_a_transcribing_model_share_its_one_answer(system: System) -> None:
    async with openai_client(system, "diarizing") as client:
        create = client.audio.transcriptions.create
        named = {"model": "gemini-3.5-transcribe", "file": SPEECH}
        diarized = await create(**named, response_format="diarized_json")  # type: ignore[call-overload]
        subtitles = str(await create(**named, response_format="srt"))  # type: ignore[call-overload]
        captions = str(await create(**named, response_format="vtt"))  # type: ignore[call-overload]
    assert {segment.speaker for segment in diarized.segments} == {"Speaker 1"}
    cues = list(srt.parse(subtitles))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == diarized.text
    assert [caption.text for caption in webvtt.from_string(captions).captions] == [cue.content for cue in cues]
    assert all(len(line) <= 42 for cue in cues for line in cue.content.splitlines())
    assert len(await tasks_of(system, "diarizing")) == 1


async def test_a_film_is_timed_by_segments_for_no_model_gives_times_of_its_words(system: System) -> None:
    async with openai_client(system, "film") as client:
        for _ in range(2):
            answer = await client.audio.transcriptions.with_raw_response.create(
                model="whisper-1",
                file=SAMPLES / "clip.mp4",
                response_format="verbose_json",
                timestamp_granularities=["word"],
            )
        plain = await client.audio.transcriptions.create(model="whisper-1", file=SAMPLES / "clip.mp4")
    assert answer.headers["x-dropsight-ignored"] == "timestamp_granularities=word"
    assert plain.text
    assert sorted(task["recipe"] for task in await tasks_of(system, "film")) == ["transcribe", "transcribe-timed"]
