"""What the stand-in model says: derived from what was sent, the same for the same request, cut where it is asked to."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from google import genai
from google.genai import types

from tests.local.standins.gemini import media_samples
from tests.local.standins.gemini.conftest import Running, together

SAMPLES = Path(__file__).parents[3] / "samples"

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

MODEL = "gemini-2.5-flash-lite"
MARK = "[Dropsight stand-in model]"


def inline(content: bytes, mime_type: str) -> types.Part:
    return types.Part.from_bytes(data=content, mime_type=mime_type)


def ask(running: Running, *contents: types.Part | str, model: str = MODEL, **config: object) -> str:
    answer = running.client.models.generate_content(
        model=model, contents=together(*contents), config=types.GenerateContentConfig.model_validate(config)
    )
    assert answer.text is not None
    return answer.text


def test_an_answer_says_that_it_is_a_stand_ins_and_repeats_the_question(shared: Running) -> None:
    answer = ask(shared, "Why is the sky blue?")
    assert answer.startswith(MARK)
    assert "Why is the sky blue?" in answer
    assert ask(shared, "Why is the sky blue?") == answer
    assert ask(shared, "Why is the sea blue?") != answer


@pytest.mark.parametrize(
    ("make", "mime_type", "words"),
    [
        (partial(media_samples.wav, 75, 8000, 2), "audio/wav", ("WAV", "01:15", "8000 Hz", "stereo")),
        (partial(media_samples.aiff, 4), "audio/aiff", ("AIFF", "00:04", "8000 Hz")),
        (partial(media_samples.flac, 65), "audio/flac", ("FLAC", "01:05", "16000 Hz")),
        (partial(media_samples.mp3, 383), "audio/mp3", ("MP3", "00:10", "44100 Hz")),
        (partial(media_samples.aac, 250), "audio/aac", ("AAC", "00:16", "16000 Hz", "mono")),
        (partial(media_samples.ogg_opus, 30), "audio/ogg", ("Ogg Opus", "00:30", "48000 Hz")),
        ((SAMPLES / "speech.ogg").read_bytes, "audio/ogg", ("Ogg Vorbis", "16000 Hz", "mono")),
        (partial(media_samples.mp4, 12, video=False), "audio/mp4", ("M4A", "00:12", "44100 Hz")),
        (partial(media_samples.mp4, 7, 640, 360), "video/mp4", ("MP4", "00:07", "640 × 360", "with sound")),
        (partial(media_samples.webm, 3), "video/webm", ("WebM", "00:03", "64 × 48", "without sound")),
        (partial(media_samples.png, 320, 200), "image/png", ("PNG", "320 × 200", "red")),
        (media_samples.jpeg, "image/jpeg", ("JPEG", "320 × 200", "blue")),
        (partial(media_samples.pdf, "The first page", "The second"), "application/pdf", ("2 pages", "The first page")),
        (lambda: b"Dear reader,\nthis is all.", "text/plain", ("25 characters", "Dear reader,")),
    ],
)
def test_an_answer_tells_what_was_sent(
    shared: Running, make: Callable[[], bytes], mime_type: str, words: tuple[str, ...]
) -> None:
    answer = ask(shared, inline(make(), mime_type), "Describe this.")
    for word in words:
        assert word in answer


def test_an_uploaded_file_is_described_like_inline_data(shared: Running) -> None:
    file = shared.client.files.upload(
        file=io.BytesIO(media_samples.wav(75)), config={"mime_type": "audio/wav", "display_name": "Minutes"}
    )
    answer = shared.client.models.generate_content(model=MODEL, contents=together(file, "Describe this.")).text or ""
    assert "“Minutes”" in answer
    assert "01:15" in answer


def test_a_transcript_covers_the_whole_recording(shared: Running) -> None:
    answer = ask(shared, inline(media_samples.wav(200, 100), "audio/wav"), "Generate a transcript of the speech.")
    assert answer.startswith(MARK)
    stamps = re.findall(r"^\[(\d\d:\d\d)\]", answer, re.M)
    assert stamps[0] == "00:00"
    assert stamps[-1] == "03:20"
    assert len(stamps) > 10
    assert "Speaker A:" in answer
    assert "Speaker B:" in answer


def test_a_transcript_keeps_to_the_time_range_asked_for(shared: Running) -> None:
    speech = inline(media_samples.wav(300, 100), "audio/wav")
    answer = ask(shared, speech, "Provide a transcript of the speech from 02:30 to 03:29.")
    stamps = re.findall(r"^\[(\d\d:\d\d)\]", answer, re.M)
    assert stamps[0] == "02:30"
    assert "03:20" > stamps[-2] > "02:30"
    assert stamps[-1] == "03:30"


def test_a_part_can_be_cut_by_its_video_metadata(shared: Running) -> None:
    part = types.Part(
        inline_data=types.Blob(data=media_samples.mp4(60), mime_type="video/mp4"),
        video_metadata=types.VideoMetadata(start_offset="10s", end_offset="20s"),
    )
    answer = shared.client.models.generate_content(model=MODEL, contents=together(part, "What happens?"))
    assert "00:10 to 00:20" in (answer.text or "")
    assert answer.usage_metadata is not None
    counts = {one.modality: one.token_count for one in answer.usage_metadata.prompt_tokens_details or []}
    assert counts[types.MediaModality.VIDEO] == 10 * 258


def test_subtitles_come_in_the_format_asked_for(shared: Running) -> None:
    speech = inline(media_samples.wav(40, 100), "audio/wav")
    srt = ask(shared, speech, "Transcribe this as SRT subtitles.")
    assert srt.startswith("1\n00:00:00,000 --> 00:00:15,000\n")
    assert MARK in srt
    assert ask(shared, speech, "Transcribe this as WebVTT.").startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_boxes_and_masks_come_where_they_are_asked_for(shared: Running) -> None:
    picture = inline(media_samples.png(), "image/png")
    answer = ask(shared, picture, "Detect the items, give box_2d.", response_mime_type="application/json")
    assert '"box_2d": [' in answer
    masks = ask(shared, picture, "Give the segmentation masks.", response_mime_type="application/json")
    assert '"mask": "data:image/png;base64,' in masks


def test_a_conversation_is_counted(shared: Running) -> None:
    chat = shared.client.chats.create(model=MODEL, config={"system_instruction": "Be brief."})
    chat.send_message("Hello")
    answer = chat.send_message("And now?").text or ""
    assert "2 turns of conversation went before" in answer
    assert "Be brief." in answer


def test_an_answer_is_cut_at_the_token_limit_and_says_so(shared: Running) -> None:
    answer = shared.client.models.generate_content(
        model=MODEL, contents="Tell me a long story", config={"max_output_tokens": 20}
    )
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    usage = answer.usage_metadata
    assert usage is not None
    assert (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) == 20
    assert len(answer.text or "") == (usage.candidates_token_count or 0) * 4


def test_a_stop_sequence_ends_the_answer_before_it(shared: Running) -> None:
    whole = ask(shared, "Tell me")
    cut = ask(shared, "Tell me", stop_sequences=["question"])
    assert whole.startswith(cut[:27])
    assert "question" not in cut


def test_candidates_come_with_their_index_and_differ_by_seed_alone(shared: Running) -> None:
    config = types.GenerateContentConfig(candidate_count=3, seed=7, temperature=1.5)
    first = shared.client.models.generate_content(model=MODEL, contents="Hello", config=config)
    again = shared.client.models.generate_content(model=MODEL, contents="Hello", config=config)
    assert [candidate.index for candidate in first.candidates or []] == [0, 1, 2]
    assert first.candidates == again.candidates


def test_thoughts_are_counted_and_shown_when_asked_for(shared: Running) -> None:
    answer = shared.client.models.generate_content(
        model="gemini-3.8-flash", contents="Think", config={"thinking_config": {"include_thoughts": True}}
    )
    assert answer.parts is not None
    assert answer.parts[0].thought
    assert not answer.parts[1].thought
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata.thoughts_token_count or 0) > 0
    off = shared.client.models.generate_content(
        model=MODEL, contents="Think", config={"thinking_config": {"thinking_budget": 0}}
    )
    assert off.usage_metadata is not None
    assert off.usage_metadata.thoughts_token_count is None


def test_gemini_3_signs_its_thoughts(shared: Running) -> None:
    answer = shared.client.models.generate_content(model="gemini-3.1-pro-preview", contents="Think")
    assert answer.parts is not None
    assert answer.parts[-1].thought_signature


def test_pictures_and_speech_can_be_made(shared: Running) -> None:
    drawn = shared.client.models.generate_content(model="gemini-3.1-flash-image", contents="A red bicycle")
    pictures = [part.inline_data for part in drawn.parts or [] if part.inline_data]
    assert pictures[0].mime_type == "image/png"
    assert (pictures[0].data or b"").startswith(b"\x89PNG")
    spoken = shared.client.models.generate_content(
        model="gemini-2.5-flash-preview-tts", contents="Say hello", config={"response_modalities": ["AUDIO"]}
    )
    assert spoken.parts is not None
    assert spoken.parts[0].inline_data is not None
    assert (spoken.parts[0].inline_data.mime_type or "").startswith("audio/L16")


async def test_the_async_client_asks_too(aio: genai.client.AsyncClient) -> None:
    answer = await aio.models.generate_content(model=MODEL, contents="Say the word pineapple.")
    assert answer.text
    assert answer.usage_metadata is not None
