"""OpenAI's transcription, called by OpenAI's own client: the forms of its answer, and one task for one content."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose, TranslationVerbose

from tests.functions.api.conftest import OTHER_INBOX, REQUESTS, SAMPLES, System
from tests.functions.api.openai_calls import openai_client, tasks_of, uploads_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = "multipart/form-data; boundary=x"
SPEECH = SAMPLES / "speech.wav"
SEGMENTS = {
    "language": "en",
    "segments": [
        {
            "start": "00:00",
            "end": "00:04",
            "speaker": "Ada",
            "text": "Good morning, and welcome to the meeting of today.",
        },
        {"start": "00:04", "end": "00:05", "speaker": "Bob", "text": "Thank you."},
    ],
}


async def test_a_recording_is_transcribed_to_json_and_to_plain_text(system: System) -> None:
    system.gemini.set_model({"text": "Good morning to you."})
    async with openai_client(system, "whisper") as client:
        answer = await client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=SPEECH)
        text = await client.audio.transcriptions.create(model="whisper-1", file=SPEECH, response_format="text")
    parsed = answer.parse()
    assert parsed.text == "Good morning to you."
    assert parsed.usage is not None
    assert text.strip() == "Good morning to you."
    tasks = await tasks_of(system, "whisper")
    assert [task["id"] for task in tasks] == [answer.headers["x-dropsight-task"]]


async def test_timed_forms_come_of_one_task_whatever_form_is_wanted(system: System) -> None:
    system.gemini.set_model({"text": json.dumps(SEGMENTS)})
    async with openai_client(system, "timed") as client:
        create = client.audio.transcriptions.create
        verbose = await create(
            model="whisper-1", file=SPEECH, response_format="verbose_json", timestamp_granularities=["segment"]
        )
        srt = await create(model="whisper-1", file=SPEECH, response_format="srt")
        vtt = await create(model="whisper-1", file=SPEECH, response_format="vtt")
        diarized = await create(model="gpt-4o-transcribe-diarize", file=SPEECH, response_format="diarized_json")
    assert isinstance(verbose, TranscriptionVerbose)
    assert isinstance(diarized, TranscriptionDiarized)
    assert [segment.text for segment in verbose.segments or []] == [item["text"] for item in SEGMENTS["segments"]]  # type: ignore[index]
    assert verbose.language == "en"
    assert verbose.duration > 0
    assert [segment.speaker for segment in diarized.segments] == ["Ada", "Bob"]
    assert str(srt).startswith("1\n00:00:00,000 --> ")
    assert str(vtt).startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert len(await tasks_of(system, "timed")) == 1


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_translation_is_asked_for_in_english(system: System) -> None:
    system.gemini.set_model({"text": json.dumps(SEGMENTS)})
    async with openai_client(system, "translator") as client:
        verbose = await client.audio.translations.create(model="whisper-1", file=SPEECH, response_format="verbose_json")
    assert isinstance(verbose, TranslationVerbose)
    assert verbose.language == "english"


async def test_the_text_is_streamed_as_it_is_written_and_again_from_its_task(system: System) -> None:
    system.gemini.set_model({"text": "One two three four five six seven eight nine ten. " * 20})
    async with openai_client(system, "streamer") as client:
        texts = []
        for _ in range(2):
            events = [
                event
                async for event in await client.audio.transcriptions.create(
                    model="gpt-4o-mini-transcribe", file=SPEECH, stream=True
                )
            ]
            deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
            done = events[-1]
            assert done.type == "transcript.text.done"
            assert deltas.strip() == done.text
            texts.append(done.text)
    assert texts[0] == texts[1]
    assert len(await tasks_of(system, "streamer")) == 1


async def test_streamed_speakers_come_as_segments(system: System) -> None:
    system.gemini.set_model({"text": json.dumps(SEGMENTS)})
    async with openai_client(system, "diarizer") as client:
        stream = await client.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize", file=SPEECH, response_format="diarized_json", stream=True
        )
        events = [event async for event in stream]
    assert [event.type for event in events] == ["transcript.text.segment"] * 2 + ["transcript.text.done"]


def form_of_dotnet(fields: list[tuple[str, str]], file_name: str, content: bytes) -> tuple[bytes, str]:
    """Return a form as .NET's MultipartFormDataContent writes it, and its Content-Type.

    Names are quoted only where they must be, each field has a type, and the file's name comes twice.
    """
    boundary = "6f1b8c1e-8d0f-4a43-9a3e-1f2f0c9b7d55"
    encoded = base64.b64encode(file_name.encode()).decode()
    disposition = f"form-data; name=file; filename=\"=?utf-8?B?{encoded}?=\"; filename*=utf-8''{quote(file_name)}"
    parts = [b"Content-Type: audio/wav\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content]
    for name, value in fields:
        shown = name if name.isidentifier() else f'"{name}"'
        headers = f"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name={shown}"
        parts.append(f"{headers}\r\n\r\n{value}".encode())
    body = f"\r\n--{boundary}\r\n".encode().join(parts)
    return f"--{boundary}\r\n".encode() + body + f"\r\n--{boundary}--\r\n".encode(), (
        f'multipart/form-data; boundary="{boundary}"'
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_subtitle_edit_gets_its_segments_in_json_and_from_the_names_of_events(
    system: System, stream: bool
) -> None:
    """Its form (OpenAiSttService.cs): json with granularities, and of a stream it reads named events alone."""
    system.gemini.set_model({"text": json.dumps(SEGMENTS)})
    fields = [
        ("model", "gemini-3.8-flash"),
        ("language", "en"),
        ("response_format", "json"),
        ("timestamp_granularities[]", "segment"),
        ("timestamp_granularities[]", "word"),
        *([("stream", "true")] if stream else []),
    ]
    content, content_type = form_of_dotnet(fields, "Grüße.wav", SPEECH.read_bytes())
    async with system.client(await system.key("subtitle-edit")) as client:
        answer = await client.post("/v1/audio/transcriptions", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    text = "Good morning, and welcome to the meeting of today. Thank you."
    if stream:
        blocks = [block.split("\n") for block in answer.text.split("\n\n") if block.startswith("event: ")]
        events = {name.removeprefix("event: "): json.loads(data.removeprefix("data: ")) for name, data in blocks}
        assert events["transcript.text.delta"]["delta"] == text
        final = events["transcript.text.done"]
    else:
        final = answer.json()
    assert final["text"] == text
    assert [(segment["start"], segment["end"]) for segment in final["segments"]] == [(0, 4), (4, 5)]


async def test_silence_is_an_empty_text_and_no_failure(system: System) -> None:
    system.gemini.set_model({"text": "[no speech]"})
    async with openai_client(system, "silent") as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=SPEECH)
        stream = await client.audio.transcriptions.create(model="whisper-1", file=SPEECH, stream=True)
        events = [event async for event in stream]
    assert answer.text == ""
    assert [event.type for event in events] == ["transcript.text.done"]


async def test_another_recording_model_or_option_is_another_task(system: System) -> None:
    async with openai_client(system, "options") as client:
        create = client.audio.transcriptions.create
        await create(model="whisper-1", file=SPEECH)
        await create(model="whisper-1", file=("other name.wav", SPEECH.read_bytes(), "audio/x-wav"))
        await create(model="whisper-1", file=SAMPLES / "speech.mp3")
        await create(model="whisper-1", file=SPEECH, language="de")
        await create(model="gemini-3.8-flash", file=SPEECH)
    assert len(await tasks_of(system, "options")) == 4
    assert len(await uploads_of(system, "options")) == 4


async def test_a_request_sent_again_while_the_first_one_runs_finds_its_task(system: System) -> None:
    async with openai_client(system, "twins") as client:
        create = client.audio.transcriptions.with_raw_response.create
        answers = await asyncio.gather(*(create(model="whisper-1", file=SPEECH) for _ in range(5)))
    assert len({answer.headers["x-dropsight-task"] for answer in answers}) == 1
    assert len(await tasks_of(system, "twins")) == 1


async def test_a_failure_that_another_try_may_mend_is_followed_by_a_new_task(system: System) -> None:
    system.gemini.set_model({"text": ""})
    async with openai_client(system, "again") as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.audio.transcriptions.create(model="whisper-1", file=SPEECH)
        assert failed.value.response.headers["x-should-retry"] == "false"
        system.gemini.set_model({"text": "Now it speaks."})
        answer = await client.audio.transcriptions.create(model="whisper-1", file=SPEECH)
    assert answer.text == "Now it speaks."
    assert sorted(task["status"] for task in await tasks_of(system, "again")) == ["completed", "failed"]


async def test_an_object_of_a_bucket_is_transcribed_where_the_key_may_name_it(system: System) -> None:
    await system.drop("calls/speech.wav", SPEECH.read_bytes(), bucket=OTHER_INBOX)
    uri = f"gs://{OTHER_INBOX}/calls/speech.wav"
    form = {"model": (None, "whisper-1"), "file_url": (None, uri)}
    async with system.client(await system.key("namer", sources=(f"gs://{OTHER_INBOX}/calls/",))) as client:
        answer = await client.post("/v1/audio/transcriptions", files=form)
    async with system.client(await system.key("stranger")) as client:
        refused = await client.post("/v1/audio/transcriptions", files=form)
    assert answer.status_code == 200, answer.text
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "source_not_allowed")


async def test_an_upload_of_another_key_cannot_be_named(system: System) -> None:
    async with openai_client(system, "owner-of-it") as client:
        await client.audio.transcriptions.create(model="whisper-1", file=SPEECH)
    [upload] = await uploads_of(system, "owner-of-it")
    body = {"model": "gemini-3.8-flash", "audio_url": f"gs://{REQUESTS}/{upload}", "sync": True}
    async with system.client(await system.key("thief")) as client:
        refused = await client.post("/v1/llm/generations", json=body)
    async with system.client(await system.key("owner-of-it")) as client:
        answer = await client.post("/v1/llm/generations", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "source_not_allowed")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"temperature": "hot"}, "temperature"),
        ({"language": "<script>"}, "language"),
        ({"timestamp_granularities[]": "word", "response_format": "srt"}, "timestamp_granularities"),
        ({"timestamp_granularities[]": "sentence"}, "timestamp_granularities"),
        ({"stream": "perhaps"}, "stream"),
        ({"model": ""}, "model"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name_and_leaves_no_upload(
    system: System, fields: dict[str, str], param: str
) -> None:
    key_id = f"wrong-{param.replace('_', '-')}"
    async with system.client(await system.key(key_id)) as client:
        answer = await client.post(
            "/v1/audio/transcriptions",
            data={"model": "whisper-1", **fields},
            files={"file": ("a.wav", SPEECH.read_bytes(), "audio/wav")},
        )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not await uploads_of(system, key_id)


async def test_what_is_no_recording_is_a_bad_request_that_says_so(system: System) -> None:
    async with openai_client(system, "odd") as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"not a recording at all"))
    assert refused.value.code == "unsupported_content_type"
    assert "file should be audio, but this is a text file." in refused.value.message
    assert refused.value.response.headers["x-dropsight-task"].startswith("task-llm-")


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "audio_url/a.wav"])
async def test_refusals_name_the_recording_by_its_field_of_the_form(system: System, name: str) -> None:
    uri = f"gs://{OTHER_INBOX}/{name}"
    async with system.client(await system.key("named-as-sent")) as client:
        refused = await client.post(
            "/v1/audio/transcriptions", files={"model": (None, "whisper-1"), "file_url": (None, uri)}
        )
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (403, "file_url")
    assert error["message"].startswith(f"file_url: this key may not name {uri}.")


async def test_a_stream_that_fails_names_the_recording_by_its_field_of_the_form(system: System) -> None:
    recording = ("a.wav", b"not a recording at all", "audio/wav")
    fields = {"model": "whisper-1", "stream": "true"}
    async with system.client(await system.key("named-as-sent")) as client:
        broken = await client.post("/v1/audio/transcriptions", data=fields, files={"file": recording})
    assert '"message": "file should be audio' in broken.text


async def test_an_empty_file_is_refused_and_makes_no_task(system: System) -> None:
    async with openai_client(system, "empty") as client:
        with pytest.raises(openai.BadRequestError, match="0 bytes"):
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b""))
    assert not await tasks_of(system, "empty")
    assert not await uploads_of(system, "empty")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('name="file"; filename="Interview – 日本.pdf"', "Interview – 日本.pdf"),
        ("name=file; filename=\"=?utf-8?B?S8O2bG4ucGRm?=\"; filename*=utf-8''K%C3%B6ln.pdf", "Köln.pdf"),
        ("name=\"file\"; filename*=UTF-8'de'K%C3%B6ln%20%F0%9F%8E%A4.pdf", "Köln 🎤.pdf"),
        ("name=file; filename=plain.pdf; filename*=utf-8", "plain.pdf"),
        ("name=file; filename=a.pdf; filename*=utf-8''%FF%", "\N{REPLACEMENT CHARACTER}%"),
        ('name="file"', "file"),
    ],
)
async def test_a_file_has_the_name_that_its_client_gave_it_in_whichever_form(
    system: System, disposition: str, filename: str
) -> None:
    body = f"--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n%PDF-1.4\r\n--x--\r\n".encode()
    async with system.client(await system.key("named-files")) as client:
        answer = await client.post("/v1/files", content=body, headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json().get("filename")) == (200, filename)


async def test_the_parts_of_a_form_come_in_any_order_and_the_last_of_a_name_counts(system: System) -> None:
    def part(name: str, value: bytes) -> bytes:
        return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"

    model, wrong, file = part("model", b"whisper-1"), part("model", b"no-such-model"), part("file", SPEECH.read_bytes())
    tasks = set()

    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 9973):
            yield body[start : start + 9973]

    async with system.client(await system.key("orders")) as client:
        for body in (file + model, model + file, wrong + file + model):
            # Of unknown length: HTTP sends it chunked.
            content = pieces(body + b"--x--\r\n")
            answer = await client.post("/v1/audio/transcriptions", content=content, headers={"Content-Type": FORM})
            assert answer.status_code == 200, answer.text
            tasks.add(answer.headers["x-dropsight-task"])
    assert len(tasks) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data"),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data; boundary=y"),
        (b"", FORM),
        (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRIFF", FORM),
        (b"garbage", FORM),
        (b"--x--\r\n", FORM),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_whole_form_is_a_bad_request(system: System, body: bytes, content_type: str) -> None:
    async with system.client(await system.key("half")) as client:
        answer = await client.post("/v1/audio/transcriptions", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert not await uploads_of(system, "half")


async def test_fields_without_effect_are_named_in_a_header(system: System) -> None:
    async with openai_client(system, "extras") as client:
        answer = await client.audio.transcriptions.with_raw_response.create(
            model="gpt-4o-transcribe", file=SPEECH, chunking_strategy="auto", include=["logprobs"]
        )
        timed = await client.audio.transcriptions.with_raw_response.create(
            model="gemini-3.8-flash",
            file=SPEECH,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    assert answer.headers["x-dropsight-ignored"] == "chunking_strategy, include"
    assert timed.headers["x-dropsight-ignored"] == "timestamp_granularities=word"


@pytest.mark.parametrize("stream", [False, True])
async def test_fields_without_effect_are_named_whatever_their_names(system: System, stream: bool) -> None:
    odd = {"名": "1", "a\x07b\x7f": "1", "e" * 5000: "1", "stream": str(stream).lower()}
    content, kind = form_of({"model": "whisper-1", **odd}, SPEECH.read_bytes())
    async with system.client(await system.key("odd-names")) as client:
        answer = await client.post("/v1/audio/transcriptions", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    named = answer.headers["x-dropsight-ignored"]
    assert {"?", "a?b?"} <= set(named.split(", "))
    assert len(named) <= 1000


def form_of(fields: dict[str, str], recording: bytes) -> tuple[bytes, str]:
    """A form whose names stand in it as they are: clients would escape them."""
    head = "--x\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'{head}"file"; filename="speech.wav"\r\n\r\n'
    return ("".join(parts) + file).encode() + recording + b"\r\n--x--\r\n", FORM


async def test_a_key_that_may_not_read_gets_no_transcript(system: System) -> None:
    async with openai_client(system, "writer", scopes=("submit",)) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.audio.transcriptions.create(model="whisper-1", file=SPEECH)
