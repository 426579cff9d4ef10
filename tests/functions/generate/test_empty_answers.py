"""An answer without words is asked for again once and never published; loops and slips cost no call more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared import wiring
from shared.domain.answer.chunks import Chunk, join_chunks
from shared.domain.answer.response import Json
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran, Task
from tests.functions.generate.conftest import RESULTS, SAMPLES, System, answers, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES, SPEECH, PHOTO = SAMPLES / "notes.txt", SAMPLES / "speech.wav", SAMPLES / "photo.jpg"
EMPTY: Json = {"text": ""}
SEGMENT = {"start": "00:01", "end": "00:02", "speaker": "A", "text": "Hello."}


@pytest.fixture(autouse=True)
def default_model(system: System) -> Iterator[None]:
    yield
    system.model.set_model({"reset": True})


async def test_an_empty_answer_is_asked_for_again_and_both_calls_are_counted(system: System) -> None:
    system.model.script.extend([EMPTY, {"text": "Words."}])
    task = await system.answered("empty-once.txt", NOTES)
    assert answers(task) == ["Words."]
    assert warned(task) == ()
    (_, first), (_, second) = system.model.asked
    assert second["contents"][: len(first["contents"])] == first["contents"]
    usage: Any = task.usage
    alone = await system.answered("not-empty.txt", NOTES)
    once: Any = alone.usage
    assert usage["prompt_tokens"] > 1.9 * once["prompt_tokens"]


@pytest.mark.parametrize("text", ["", " \n ", "\u200b", "```\n```"])
async def test_an_answer_that_is_empty_twice_fails_after_two_calls(system: System, text: str) -> None:
    system.model.script.extend([{"text": text}] * 3)
    task = await system.answered(f"empty-{text.encode().hex()}.txt", NOTES)
    assert task.error is not None
    assert task.error.code == "empty_answer"
    assert len(system.model.asked) == 2
    assert task.results is None
    assert set(await system.published(task)) == {"task.json"}
    assert task.usage is not None


async def test_an_empty_answer_overwrites_no_file_that_was_published(system: System) -> None:
    system.model.script.append({"text": "The good answer."})
    name = "overwritten.txt"
    first = await system.answered(name, NOTES)
    before = await system.published(first)
    system.clock.advance(1)
    system.model.script.extend([EMPTY] * 2)
    uri = await system.drop(name, NOTES)
    second = await system.until(uri, lambda task: task.id != first.id and task.terminal and not task.after)
    assert second.status == "failed"
    after = await system.published(second)
    assert {ending: after[ending] for ending in before if ending != "task.json"} == {
        ending: data for ending, data in before.items() if ending != "task.json"
    }


async def test_a_file_with_nothing_in_it_is_not_published_and_the_task_says_so(system: System) -> None:
    system.model.script.append({"text": json.dumps({"language": "en", "segments": []})})
    task = await system.answered("silence.wav", SPEECH, dropsight_recipe="transcribe-timed")
    assert task.error is None, task.error
    published = await system.published(task)
    assert "srt" not in published
    assert all(data.strip() for data in published.values())
    assert any("there is nothing to write" in warning for warning in task.warnings)


async def test_a_request_that_is_answered_emptily_twice_fails(system: System) -> None:
    system.model.script.extend([EMPTY] * 3)
    task = await system.requested("empty", messages=[{"role": "user", "content": "Hello."}])
    assert task.error is not None
    assert task.error.code == "empty_answer"
    assert len(system.model.asked) == 2


async def test_the_second_try_of_an_empty_answer_survives_a_refusal(system: System) -> None:
    system.model.script.extend([EMPTY, {"status": 503}, {"text": "Words."}])
    task = await system.answered("empty-between.txt", NOTES)
    assert answers(task) == ["Words."]
    assert len(system.model.asked) == 2


@pytest.mark.parametrize("reason", ["OTHER", "SAFETY", "MALFORMED_RESPONSE", "LANGUAGE", "TOO_MANY_TOOL_CALLS"])
async def test_a_failure_names_the_finish_reason(system: System, reason: str) -> None:
    system.model.script.extend([{"finish_reason": reason}] * 2)
    task = await system.answered(f"reason-{reason}.txt", NOTES)
    assert task.error is not None
    assert reason in task.error.message


async def test_an_answer_in_a_loop_is_one_call(system: System) -> None:
    system.model.script.append({"text": "It began. " + "Thank you. " * 2000, "finish_reason": "MAX_TOKENS"})
    task = await system.answered("loop.txt", NOTES)
    assert len(system.model.asked) == 1
    assert "loop" in warned(task)[0]


async def test_a_transcript_with_slips_is_one_call_and_says_what_was_put_right(system: System) -> None:
    said = [{**SEGMENT, "end": "00:60", "speaker": None}, {**SEGMENT, "start": "00:01:500"}]
    system.model.script.append({"text": json.dumps({"language": "en", "segments": said})})
    task = await system.answered("slips.wav", SPEECH, dropsight_recipe="transcribe-timed")
    value = json.loads(answers(task)[0])
    assert value == json.loads((await system.published(task))["json"])
    assert [(segment["start"], segment["end"], segment["speaker"]) for segment in value["segments"]] == [
        ("00:01", "01:00", ""), ("00:01.500", "00:02", "A"),
    ]  # fmt: skip
    assert len(system.model.asked) == 1
    assert any("00:60 → 01:00" in warning for warning in task.warnings)
    assert any("speaker" in warning for warning in task.warnings)


async def test_a_box_slightly_outside_of_the_picture_is_one_call(system: System) -> None:
    system.model.script.append({"text": json.dumps([{"label": "cup", "box_2d": [900, 10, 100, 1003]}])})
    task = await system.answered("cups.jpg", PHOTO, dropsight_recipe="detect", dropsight_outputs="json")
    assert len(system.model.asked) == 1
    assert json.loads(answers(task)[0])[0]["box_2d"] == [100, 10, 900, 1000]
    assert any("box" in warning for warning in task.warnings)


async def waiting_with_an_answer(system: System, name: str, takeovers: int) -> tuple[str, Task]:
    """A task that was put off, with `takeovers` on its account and an answer stored by its first claim."""
    system.model.script.append({"status": 503})
    uri = await system.drop(name, NOTES)
    task = await system.until(uri, lambda found: found.waiting is not None and found.lease_until is None)
    ran = Ran(recipe="text", sha256="0" * 64, snapshot={})
    question = Question(model=task.model, body={}, ran=ran).model_dump(mode="json", exclude={"body"})
    response = {"candidates": [{"content": {"parts": [{"text": "Stored."}]}, "finishReason": "STOP"}]}
    record = {"task": task.id, "claim": 1, "round": 0, "asked": [""], "question": question, "response": response}
    place = f"tasks/{task.id}/answer-000001-000.json"
    encoded = json.dumps(record).encode()
    await wiring.generate().storage.write(RESULTS, place, encoded, "application/json", only_if_absent=True)
    stored = await system.tasks.get(task.id)
    assert stored is not None
    died = {"takeovers": takeovers, "token": stored.task.token + takeovers}
    await system.tasks.change(stored, lambda found: found.model_copy(update=died))
    return uri, task


@pytest.mark.parametrize(("takeovers", "status"), [(3, "completed"), (4, "failed")])
async def test_a_task_that_kills_its_worker_is_given_up_though_its_answer_is_stored(
    system: System, takeovers: int, status: str
) -> None:
    uri, _ = await waiting_with_an_answer(system, f"killer-{takeovers}.txt", takeovers)
    system.clock.advance(timedelta(minutes=1).total_seconds())
    task = await system.until(uri, lambda found: found.terminal and not found.after)
    assert task.status == status
    assert system.model.asked == []
    if task.error is not None:
        assert task.error.code == "upstream_error"
        assert "4 times" in task.error.message


async def test_a_task_that_got_on_while_storage_was_away_is_not_given_up(system: System) -> None:
    uri, task = await waiting_with_an_answer(system, "got-on.txt", 4)
    deps = wiring.generate()
    raw = await deps.storage.read(RESULTS, f"tasks/{task.id}/answer-000001-000.json")
    assert raw is not None
    record = {**json.loads(raw), "claim": 5}
    await deps.tasks.store_answer(task, "000005-000", json.dumps(record))
    system.clock.advance(timedelta(minutes=1).total_seconds())
    task = await system.until(uri, lambda found: found.terminal and not found.after)
    assert task.status == "completed"
    assert system.model.asked == []


async def chunks_of(task: Task) -> list[Chunk]:
    return await wiring.generate().chunks.since(task.id, 0)


async def streamed(system: System, name: str, **request: Any) -> Task:
    messages = [{"role": "user", "content": "Hello."}]
    return await system.requested(name, stream=True, messages=messages, **request)


@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_stream_tells_nothing_of_an_empty_answer_and_the_second_one_from_its_beginning(
    system: System, text: str
) -> None:
    system.model.script.extend([{"text": text}, {"text": "Words that were streamed."}])
    task = await streamed(system, f"streamed-{len(text)}")
    assert answers(task) == ["Words that were streamed."]
    chunks = await chunks_of(task)
    assert join_chunks(chunks)[:2] == ("Words that were streamed.", "")
    assert chunks[0].delta["role"] == "assistant"
    assert [chunk.finish for chunk in chunks if chunk.finish] == ["stop"]
    assert task.stored_chunks == len(chunks)
    assert len(system.model.asked) == 2


async def test_thoughts_before_an_empty_answer_are_gone_on_with(system: System) -> None:
    thought = [{"text": "Hm.", "thought": True}]
    system.model.script.extend([{"parts": thought}, {"parts": [*thought, {"text": "Words."}]}])
    task = await streamed(system, "streamed-thoughts", reasoning=True)
    assert answers(task) == ["Words."]
    chunks = await chunks_of(task)
    assert join_chunks(chunks)[:2] == ("Words.", "Hm.Hm.")
    assert sum("role" in chunk.delta for chunk in chunks) == 1
    assert task.stored_chunks == len(chunks)


async def test_a_stream_of_nothing_but_empty_answers_has_no_end_and_fails(system: System) -> None:
    system.model.script.extend([EMPTY] * 3)
    task = await streamed(system, "streamed-empty")
    assert task.error is not None
    assert task.error.code == "empty_answer"
    assert await chunks_of(task) == []


@pytest.mark.parametrize("reason", ["MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"])
async def test_words_that_were_streamed_and_cannot_be_used_are_not_told_again(system: System, reason: str) -> None:
    system.model.script.append({"parts": [{"text": "Half an answer"}], "finish_reason": reason})
    task = await streamed(system, f"streamed-{reason.lower()}")
    assert task.error is not None
    assert reason in task.error.message
    assert len(system.model.asked) == 1
    assert [chunk.finish for chunk in await chunks_of(task) if chunk.finish] == []


async def test_a_stream_that_ends_without_a_reason_does_not_say_stop(system: System) -> None:
    system.model.script.append({"text": "Half of it, and the rest", "chunks": 4, "end_after": 2})
    task = await streamed(system, "streamed-short")
    assert "without a finish reason" in warned(task)[0]
    chunks = await chunks_of(task)
    assert [chunk.finish for chunk in chunks if chunk.finish] == ["length"]
    assert task.stored_chunks == len(chunks)
