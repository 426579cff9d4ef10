"""Render a finished transcription in OpenAI's response formats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, assert_never, cast

from pydantic import JsonValue

from shared.domain.answer.plain_json import parse
from shared.domain.answer.response import Json
from shared.domain.answer.transcript import Segment, TimedWord, is_transcript, segments, segments_in_text, timed_words
from shared.domain.answer.words import join_words
from shared.domain.openai.transcription import NO_SPEECH, TranscriptionForm
from shared.domain.outputs.cues import Cue, make_cues, srt_of, vtt_of, words_of

_AUDIO_TOKENS_A_SECOND = 32


class Transcript(NamedTuple):
    """A transcription's answer."""

    text: str
    segments: list[Segment]
    language: str
    seconds: float
    """The recording's length, or an estimate of it."""
    usage: Json
    words: list[TimedWord]
    """Empty if the model gave no word times."""


def read_transcript(content: str, usage: Json, *, timed: bool) -> Transcript:
    """Parse the model's answer. `usage` is that of the ChatCompletion; `timed`: the answer has segments with times."""
    if not timed:
        text = content.strip()
        plain = "" if NO_SPEECH in text and len(text) < 2 * len(NO_SPEECH) else text
        return Transcript(plain, [], "", _seconds(usage, []), usage, [])
    language, words, timed_segments = "", list[TimedWord](), segments_in_text(content)
    try:
        value = parse(content)
    except ValueError:
        value = None
    if value is not None and is_transcript(value):
        timed_segments, words = segments(value), timed_words(value)
        language = _language(value, timed_segments)
    spoken = [segment for segment in timed_segments if segment.text and segment.text != NO_SPEECH]
    text = join_words(" ".join(segment.text.split()) for segment in spoken)
    return Transcript(text, spoken, language, _seconds(usage, spoken), usage, words)


def render(form: TranscriptionForm, transcript: Transcript) -> tuple[str, str]:
    """Return the body and its content type."""
    match form.response_format:
        case "text":
            return f"{transcript.text}\n", "text/plain; charset=utf-8"
        case "srt":
            return srt_of(_cues(transcript)), "text/plain; charset=utf-8"
        case "vtt":
            return vtt_of(_cues(transcript)), "text/vtt; charset=utf-8"
        case "json":
            usage = token_usage(transcript.usage)
            return _json({"text": transcript.text, **times_of(form, transcript), "usage": usage})
        case "verbose_json":
            return _json(_verbose(form, transcript))
        case "diarized_json":
            return _json(_diarized(transcript))
        case _:
            assert_never(form.response_format)


def _cues(transcript: Transcript) -> list[Cue]:
    """Return subtitle cues, from word times if the model gave any, else from segment times."""
    return make_cues(transcript.words or words_of(transcript.segments))


def token_usage(usage: Json) -> Json:
    prompt, answered = _number(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    audio = _audio_tokens(usage)
    return {
        "type": "tokens",
        "input_tokens": prompt,
        "output_tokens": answered,
        "total_tokens": prompt + answered,
        "input_token_details": {"audio_tokens": audio, "text_tokens": max(0, prompt - audio)},
    }


def diarized_segments(transcript: Transcript) -> list[Json]:
    """Return OpenAI's segments with speakers. A speaker without a name is A."""
    names: dict[str, str] = {}
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": segment.start,
            "end": _end(transcript, number),
            "text": segment.text,
            "speaker": segment.speaker or names.setdefault("", "A"),
        }
        for number, segment in enumerate(transcript.segments)
    ]


def times_of(form: TranscriptionForm, transcript: Transcript) -> Json:
    """Return the segments and words to add to `json`; empty if the caller wants no times."""
    return _times(form, transcript) if form.has_times else {}


def _times(form: TranscriptionForm, transcript: Transcript) -> Json:
    segments = [_segment(transcript, number) for number in range(len(transcript.segments))]
    words = {"words": _words(transcript)} if form.words else {}
    return {"segments": cast(JsonValue, segments), **words}


def _verbose(form: TranscriptionForm, transcript: Transcript) -> Json:
    return {
        "task": form.job,
        "language": "english" if form.job == "translate" else transcript.language or form.language or "unknown",
        "duration": transcript.seconds,
        "text": transcript.text,
        **_times(form, transcript),
        "usage": {"type": "duration", "seconds": transcript.seconds},
    }


def _words(transcript: Transcript) -> JsonValue:
    return [{"word": word.text, "start": word.start, "end": word.end} for word in transcript.words]


def _segment(transcript: Transcript, number: int) -> Json:
    """Return a segment with all of Whisper's fields. Those that only Whisper can compute have neutral values."""
    segment = transcript.segments[number]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": _end(transcript, number),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _diarized(transcript: Transcript) -> Json:
    return {
        "task": "transcribe",
        "duration": transcript.seconds,
        "text": transcript.text,
        "segments": cast(JsonValue, diarized_segments(transcript)),
        "usage": {"type": "duration", "seconds": transcript.seconds},
    }


def _end(transcript: Transcript, number: int) -> float:
    """Return the end of a segment, or the start of the next one if the model gave no end."""
    segment = transcript.segments[number]
    if segment.end is not None and segment.end >= segment.start:
        return segment.end
    after = transcript.segments[number + 1 : number + 2]
    return max(segment.start, after[0].start if after else transcript.seconds)


def _seconds(usage: Json, spoken: Sequence[Segment]) -> float:
    last = max((segment.end or segment.start for segment in spoken), default=0.0)
    return float(round(_audio_tokens(usage) / _AUDIO_TOKENS_A_SECOND, 2) or last)


def _language(value: JsonValue, segments: Sequence[Segment]) -> str:
    named = value.get("language") if isinstance(value, dict) else None
    return named if isinstance(named, str) else next((segment.language for segment in segments if segment.language), "")


def _audio_tokens(usage: Json) -> int:
    details = usage.get("prompt_tokens_details")
    return _number(details, "audio_tokens") if isinstance(details, dict) else 0


def _number(counted: Json, name: str) -> int:
    value = counted.get(name)
    return value if isinstance(value, int) else 0


def _json(body: Json) -> tuple[str, str]:
    return json.dumps(body, ensure_ascii=False), "application/json"
