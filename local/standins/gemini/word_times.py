"""Transcripts with times of words and speakers, as models give them that are made for transcribing."""

from __future__ import annotations

from random import Random
from typing import Any

from local.standins.gemini.errors import invalid
from local.standins.gemini.facts import Segment, first_recording, transcript
from local.standins.gemini.models import Model
from local.standins.gemini.prompt import Prompt

_LONGEST = 3600.0
_LONGEST_WITH_WORDS = 1800.0
_MAX_VOCABULARY = 1_000
_SPOKEN_SHARE = 0.9
"""How much of a word's share of its segment it is heard for; the rest is a pause."""


def check_transcription(config: dict[str, Any] | None, model: Model) -> None:
    if config is None:
        return
    if not model.transcription:
        raise invalid(f"Audio transcription config is not supported by models/{model.id}")
    if len(config.get("customVocabulary", [])) > _MAX_VOCABULARY:
        raise invalid(f"custom_vocabulary must have at most {_MAX_VOCABULARY} phrases.")
    if config.get("wordTimestamp") and config.get("customVocabulary"):
        raise invalid("word_timestamp and custom_vocabulary cannot both be set.")
    if config.get("mode") == "SMART" and (config.get("wordTimestamp") or config.get("diarization")):
        raise invalid("Timestamps and diarization are incompatible with mode SMART.")


def spoken_parts(prompt: Prompt, config: dict[str, Any], random: Random) -> list[dict[str, Any]]:
    """Return one part for each turn of a speaker; none if no transcription is asked for. Raises ApiError."""
    settings, recording = config.get("audioTranscriptionConfig"), first_recording(prompt)
    if settings is None or recording is None:
        return []
    is_limited = settings.get("wordTimestamp") or settings.get("diarization")
    most = _LONGEST_WITH_WORDS if is_limited else _LONGEST
    if recording.seconds > most:
        raise invalid(f"Audio duration {recording.seconds:.0f}s exceeds the maximum of {most:.0f}s.")
    if not is_limited:
        return []
    languages = settings.get("languageCodes") or ["en-US"]
    return [_part(segment, settings, languages[0]) for segment in transcript(prompt, recording, random)]


def _part(segment: Segment, settings: dict[str, Any], language: str) -> dict[str, Any]:
    text = f"{segment.text[:1].upper()}{segment.text[1:]}."
    spoken: dict[str, Any] = {"languageCode": language}
    if settings.get("diarization"):
        spoken["speakerLabel"] = f"spk_{'AB'.index(segment.speaker[-1]) + 1}"
    if settings.get("wordTimestamp"):
        words = text.split()
        share = (segment.end - segment.start) / len(words)
        spoken["words"] = [
            {
                "word": word,
                "startOffset": _offset(segment.start + share * number),
                "endOffset": _offset(segment.start + share * (number + _SPOKEN_SHARE)),
            }
            for number, word in enumerate(words)
        ]
    return {"text": f"{text} ", "audioTranscription": spoken}


def _offset(seconds: float) -> str:
    return f"{seconds:.3f}s"
