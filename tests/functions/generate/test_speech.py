"""A text is read aloud: one WAV of all its parts, each of which is a stored, billed call."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from array import array
from decimal import Decimal
from typing import Any

import pytest

from shared import wiring
from shared.settings import GenerateSettings
from tests.functions.generate.conftest import System, answers, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTENCE = "The river rose in the night, and by the morning the lower road was gone. "
LONG = "".join(f"Day {number}: {SENTENCE}" for number in range(1000, 1120)).encode()
"""Of three parts."""
HI = [{"role": "user", "content": "Hi"}]


def opened(data: bytes) -> wave.Wave_read:
    return wave.Wave_read(io.BytesIO(data))


def spoken(body: dict[str, Any]) -> str:
    return str(body["contents"][0]["parts"][0]["text"])


async def test_a_text_becomes_a_wav_of_the_wanted_voice_and_manner(system: System) -> None:
    metadata = {"dropsight_voice": "Puck", "dropsight_language": "en-GB", "dropsight_prompt": "Slowly, like a judge."}
    task = await system.answered("verdict.txt", SENTENCE.encode(), dropsight_recipe="speak", **metadata)
    files = await system.published(task)
    assert set(files) == {"wav", "task.json"}
    with opened(files["wav"]) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
        assert sound.getnframes() > 24_000
    [(model, body)] = system.model.asked
    assert model == "gemini-3.8-flash-lite-tts"
    part = {"text": SENTENCE.strip(), "speechMetadata": {"style": "Slowly, like a judge."}}
    assert body["contents"] == [{"role": "user", "parts": [part]}]
    voice = {"prebuilt_voice_config": {"voice_name": "Puck"}}
    speech = {"voice_config": voice, "language_code": "en-GB"}
    assert body["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": speech}
    assert answers(task) == ["The text was read aloud by gemini-3.8-flash-lite-tts: 0:04 minutes."]
    assert task.usage is not None
    assert float(str(task.usage["cost"])) > 0


async def test_a_long_text_is_read_in_parts_that_are_joined_without_a_click(system: System) -> None:
    task = await system.answered("flood.txt", LONG, dropsight_recipe="speak")
    texts = [spoken(body) for _, body in system.model.asked]
    assert len(texts) == 3
    assert " ".join(texts) == LONG.decode().strip()
    assert all(text.endswith("gone.") and len(text.encode()) <= 4_000 for text in texts)
    with opened((await system.published(task))["wav"]) as sound:
        samples = array("h", sound.readframes(sound.getnframes()))
        seams = [len(samples) // 3, 2 * len(samples) // 3]
    assert len(samples) / 24_000 == pytest.approx(180, abs=1)
    assert all(samples[at] == 0 for at in (0, -1))
    assert all(min(abs(sample) for sample in samples[seam - 2000 : seam + 2000]) == 0 for seam in seams)
    assert warned(task) == ("The text has 9,960 characters; it took 3 calls.",)


async def test_a_text_that_is_dropped_again_replaces_its_wav(system: System) -> None:
    first = await system.answered("again.txt", SENTENCE.encode(), dropsight_recipe="speak")
    system.clock.advance(2)
    uri = await system.drop("again.txt", SENTENCE.encode() * 2, dropsight_recipe="speak")
    second = await system.until(uri, lambda task: task.id != first.id and task.terminal and not task.after)
    assert second.status == "completed", second.error
    with opened((await system.published(second))["wav"]) as sound:
        assert sound.getnframes() / 24_000 == pytest.approx(8.3, abs=1)


async def test_a_document_is_read_as_the_text_that_is_taken_out_of_it(system: System) -> None:
    mail = b"From: a@example.com\r\nSubject: Tea\r\nContent-Type: text/plain\r\n\r\nTea is at five.\r\n"
    task = await system.answered("tea.eml", mail, dropsight_recipe="speak")
    assert task.status == "completed", task.error
    assert "Tea is at five." in spoken(system.model.asked[0][1])


async def test_a_later_claim_reads_only_the_parts_that_are_not_stored(system: System) -> None:
    system.model.script.extend([{}, {}, {"status": 503}])
    task = await system.answered("interrupted.txt", LONG, dropsight_recipe="speak")
    assert task.status == "completed"
    assert task.token > 1
    assert len(system.model.asked) == 3
    assert len({spoken(body) for _, body in system.model.asked}) == 3
    with opened((await system.published(task))["wav"]) as sound:
        assert sound.getnframes() / 24_000 == pytest.approx(180, abs=1)


async def test_speech_never_stands_in_the_task_nor_in_the_record_of_its_call(
    system: System,
) -> None:
    task = await system.answered("kept-apart.txt", SENTENCE.encode(), dropsight_recipe="speak")
    assert "UklGR" not in task.model_dump_json()
    folder = f"tasks/{task.id}/"

    def read() -> dict[str, bytes]:
        return {blob.name: blob.download_as_bytes() for blob in system.objects.list_blobs("results", prefix=folder)}

    files = await asyncio.to_thread(read)
    record = json.loads(files[f"{folder}answer-000001-000.json"])
    [part] = record["response"]["candidates"][0]["content"]["parts"]
    assert len(files[part["storedData"]["name"]]) == part["storedData"]["size"] > 24_000
    assert len(json.dumps(record)) < 4_000


async def test_words_instead_of_speech_are_a_failure_that_says_so(system: System) -> None:
    system.model.script.append({"parts": [{"text": "I cannot read this aloud."}]})
    task = await system.answered("mute.txt", SENTENCE.encode(), dropsight_recipe="speak")
    assert task.error is not None
    assert task.error.code == "empty_answer"
    assert task.error.message == "Gemini made no speech. It answered: “I cannot read this aloud.”"


async def test_a_speech_that_the_service_sends_as_wav_is_joined_as_well(system: System) -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(array("h", [500] * 16_000).tobytes())
    blob = {"mimeType": "audio/wav", "data": base64.b64encode(out.getvalue()).decode()}
    system.model.script.append({"parts": [{"inlineData": blob}]})
    task = await system.answered("wav.txt", SENTENCE.encode(), dropsight_recipe="speak")
    with opened((await system.published(task))["wav"]) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16_000, 16_000)


@pytest.mark.long
@pytest.mark.parametrize(
    ("sound", "why"),
    [
        (b"", "a WAV that cannot be read (it is cut off)"),
        (
            b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\3\0\1\0" + bytes(12) + b"data\0\0\0\0",
            "a WAV that cannot be read (unknown format: 3)",
        ),
        (bytes((64 << 20) + 1), "more than 64 MiB"),
    ],
    ids=["empty", "float", "large"],
)
async def test_a_sound_that_cannot_be_kept_is_paid_for_once(system: System, sound: bytes, why: str) -> None:
    blob = {"mimeType": "audio/wav", "data": base64.b64encode(sound).decode()}
    system.model.script.append({"parts": [{"inlineData": blob}]})
    task = await system.answered(f"odd-{len(sound)}.txt", SENTENCE.encode(), dropsight_recipe="speak")
    assert task.error is not None
    assert task.error.code == "upstream_error"
    assert task.error.message == f"Gemini's answer has {why}: no speech can be made of it."
    assert len(system.model.asked) == 1
    assert task.usage is not None
    assert task.usage["calls"] == 1


@pytest.mark.parametrize(
    ("name", "data", "metadata", "message"),
    [
        ("page.html", b"<!doctype html><p>Hello</p>", {}, "Save its text as .txt, and drop that."),
        ("voice.txt", b"Hello", {"dropsight_voice": "Bob"}, "dropsight-voice: Input should be 'Achernar'"),
        ("model.txt", b"Hello", {"dropsight_model": "gemini-3.8-flash"}, "makes no speech: gemini-3.8-flash-lite-tts"),
        ("long.txt", SENTENCE.encode() * 1_200, {}, "at most 20 are made. Cut it into several files."),
    ],
)
async def test_what_cannot_be_read_aloud_is_refused_before_anything_is_paid(
    system: System, name: str, data: bytes, metadata: dict[str, str], message: str
) -> None:
    task = await system.answered(name, data, dropsight_recipe="speak", **metadata)
    assert task.error is not None
    assert message in task.error.message
    assert system.model.asked == []


async def test_a_request_has_its_words_or_its_file_read_aloud(system: System) -> None:
    model = "gemini-3.8-flash-tts"
    task = await system.requested(
        "words", model=model, recipe="speak", messages=HI, metadata={"dropsight-voice": "Leda"}
    )
    assert task.status == "completed", task.error
    uri = (await system.answered("said.txt", b"Good night.")).source.uri
    file = {"role": "user", "content": [{"type": "file_url", "file_url": {"url": uri}}]}
    second = await system.requested("file", model=model, recipe="speak", messages=[file])
    assert second.status == "completed", second.error
    voices = [body["generationConfig"]["speechConfig"]["voice_config"] for _, body in system.model.asked
              if "speechConfig" in body.get("generationConfig", {})]  # fmt: skip
    assert [voice["prebuilt_voice_config"]["voice_name"] for voice in voices] == ["Leda", "Kore"]
    assert "wav" in await system.published(task)


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        ({"messages": [*HI, {"role": "assistant", "content": "Ho"}, *HI]}, "takes one text, no conversation"),
        ({"messages": HI, "evidence": True}, "evidence"),
        ({"messages": HI, "max_tokens": 10}, "This recipe makes speech; max_tokens is for answers in words."),
        ({"messages": [{"role": "user", "content": " "}]}, "takes one text: words, or one file with none"),
    ],
)  # fmt: skip
async def test_a_request_that_does_not_fit_speech_is_refused(
    system: System, request_fields: dict[str, Any], message: str
) -> None:
    task = await system.requested(
        f"unfit-{len(message)}", model="gemini-3.8-flash-tts", recipe="speak", **request_fields
    )
    assert task.error is not None
    assert message in task.error.message
    assert system.model.asked == []


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_a_system_message_says_in_which_manner_a_text_is_read(system: System, role: str) -> None:
    messages = [{"role": role, "content": "Slowly, like a judge."}, *HI]
    task = await system.requested(f"manner-{role}", model="gemini-3.8-flash-tts", recipe="speak", messages=messages)
    assert task.status == "completed", task.error
    [(_, body)] = system.model.asked
    assert body["contents"][0]["parts"] == [{"text": "Hi", "speechMetadata": {"style": "Slowly, like a judge."}}]


async def test_speech_that_may_cost_more_than_a_task_may_is_not_asked_for(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = wiring.generate().budgets
    with monkeypatch.context() as patch:
        patch.setattr(budgets, "_settings", GenerateSettings().model_copy(update={"task_budget": Decimal("0.001")}))
        patch.setattr(budgets, "_known", None)
        task = await system.answered("dear.txt", LONG, dropsight_recipe="speak")
    assert task.error is not None
    assert task.error.code == "budget_exceeded"
    assert system.model.asked == []
