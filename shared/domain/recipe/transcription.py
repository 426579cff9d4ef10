"""Requests to a transcription model, which takes a recording and settings but no prompt, and gives word times."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field, JsonValue, StringConstraints, model_validator

from shared.domain.answer.response import Json
from shared.domain.tasks.task import Frozen

MAX_VOCABULARY = 1_000
"""Phrases (guide "Audio transcription")."""
LONGEST_WITH_WORDS = 30 * 60.0
"""Seconds of a recording for which times of words, or speakers, are given (page "Gemini 3.5 Transcribe")."""

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A BCP 47 code."""
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Transcription(Frozen):
    """Settings of a transcription model."""

    words: bool = False
    """The time of every word."""
    speakers: bool = False
    """Who speaks."""
    languages: tuple[Language, ...] = Field(default=(), max_length=20)
    vocabulary: tuple[Phrase, ...] = Field(default=(), max_length=MAX_VOCABULARY)
    """Names and terms as they are spelled."""

    @model_validator(mode="after")
    def _refuse_words_with_vocabulary(self) -> Transcription:
        if self.words and self.vocabulary:
            raise ValueError("times of words and a vocabulary cannot be had together: leave one of them out")
        return self

    @property
    def is_limited(self) -> bool:
        """Whether only `LONGEST_WITH_WORDS` of a recording can be transcribed."""
        return self.words or self.speakers


def transcription_body(transcription: Transcription, contents: list[Json]) -> Json:
    """Return the body of generateContent: the recording alone, without the words around it."""
    parts = [
        part
        for turn in contents
        for part in cast(list[Json], turn["parts"])
        if "fileData" in part or "inlineData" in part
    ]
    config: dict[str, JsonValue] = {
        "wordTimestamp": transcription.words,
        "diarization": transcription.speakers,
        "languageCodes": list(transcription.languages),
        "customVocabulary": list(transcription.vocabulary),
    }
    return {
        "contents": [{"role": "user", "parts": cast(JsonValue, parts)}],
        "generationConfig": {"audioTranscriptionConfig": {name: value for name, value in config.items() if value}},
    }
