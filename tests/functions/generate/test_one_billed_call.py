"""However the model's answer is disturbed, the wire carries one request for each attempt, and none beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.standins.faults import Fault
from shared import wiring
from shared.domain.answer.chunks import join_chunks
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import REQUESTS, SAMPLES, System, answers

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"
WORDS = "What the model says of it, in some words."
TOKENS = {"continuation_tokens": True, "checkpoint_every": 1, "chunks": 4, "text": WORDS}


@pytest.fixture(autouse=True)
def undisturbed(system: System, own_calls: None) -> Iterator[None]:
    yield
    system.model.set_model({"reset": True})


def is_settled(task: Task) -> bool:
    return task.terminal and not task.after


async def through_waiting(system: System, uri: str) -> Task:
    """The task of an object once it has ended; what it waits for comes at once."""
    while True:
        task = await system.until(
            uri, lambda task: is_settled(task) or (task.waiting is not None and task.lease_until is None)
        )
        if is_settled(task):
            return task
        epoch = task.epoch
        system.clock.advance(120)
        await system.until(uri, lambda task, epoch=epoch: is_settled(task) or task.epoch > epoch or not task.waiting)


async def ended(system: System, name: str) -> Task:
    return await through_waiting(system, await system.drop(name, NOTES))


def asked_on_the_wire(system: System) -> list[Any]:
    """The status of each request, of which no two go on from one token: the second would be the SDK's own."""
    tokens = [body["continuationToken"] for _, body in system.model.asked if "continuationToken" in body]
    assert len(set(tokens)) == len(tokens)
    return [call["status"] for call in system.tap.ledger.calls("gemini") if "enerateContent" in str(call["path"])]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("500", {"status": 500}),
        ("503", {"status": 503}),
        ("504", {"status": 504}),
        ("429", {"status": 429, "retry_delay": "1s"}),
        ("dropped", {"drop": "before"}),
        ("dropped-after", {"drop": "after"}),
        ("cut-at-once", {"cut_after": 0}),
        ("cut-behind-a-token", {"cut_after": 2}),
    ],
)
async def test_a_disturbed_call_is_followed_by_one_other(system: System, name: str, fault: dict[str, Any]) -> None:
    system.tap.faults.add([Fault.model_validate({"service": "gemini", "match": "enerateContent", "times": 1, **fault})])
    system.model.script.extend([TOKENS] * 2)
    task = await ended(system, f"disturbed-{name}.txt")
    assert answers(task) == [WORDS]
    assert len(asked_on_the_wire(system)) == 2


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_error_within_a_stream_behind_a_token_is_followed_by_one_call(system: System, status: int) -> None:
    system.model.script.extend([{**TOKENS, "error_after": 2, "error_status": status}, {**TOKENS, "error_after": None}])
    task = await ended(system, f"in-stream-{status}.txt")
    assert answers(task) == [WORDS]
    assert len(asked_on_the_wire(system)) == 2


async def test_what_came_before_a_stream_ends_for_good_is_in_the_tasks_usage(system: System) -> None:
    system.model.script.append({**TOKENS, "error_after": 2, "error_status": 400})
    task = await system.answered("ended-in-stream.txt", NOTES)
    assert task.error is not None
    assert task.error.code == "upstream_error"
    usage: Any = task.usage
    assert usage["calls"] == 1
    assert usage["completion_tokens"] > 0
    assert asked_on_the_wire(system) == [200]


async def test_a_slow_answer_is_one_call(system: System) -> None:
    system.model.script.append({**TOKENS, "latency": "1s"})
    task = await system.answered("slow.txt", NOTES)
    assert answers(task) == [WORDS]
    assert asked_on_the_wire(system) == [200]


async def test_a_stream_that_ends_behind_a_token_is_gone_on_with_in_one_call_more(system: System) -> None:
    system.model.script.extend([{**TOKENS, "end_after": 2}, {**TOKENS, "end_after": None}])
    task = await system.answered("short.txt", NOTES)
    assert answers(task) == [WORDS]
    assert task.warnings == ()
    assert asked_on_the_wire(system) == [200, 200]


async def test_an_answer_to_be_continued_is_gone_on_with_in_rounds_that_are_counted(system: System) -> None:
    first = {**TOKENS, "text": WORDS * 2, "finish_reason": "CONTINUATION"}
    system.model.script.extend([first, {**first, "finish_reason": None}])
    task = await system.answered("continued-by-us.txt", NOTES)
    assert answers(task) == [WORDS * 2]
    assert asked_on_the_wire(system) == [200, 200]


async def test_an_answer_whose_token_is_refused_is_gone_on_with_by_a_prompt(system: System) -> None:
    first = {**TOKENS, "text": WORDS * 2, "finish_reason": "CONTINUATION"}
    refusing = {"continuation_tokens": False, "finish_reason": None}
    system.model.script.extend([first, refusing, {"text": f"{WORDS[-30:]} And its end.", "finish_reason": None}])
    task = await system.answered("token-refused.txt", NOTES)
    assert answers(task) == [f"{WORDS} And its end."]
    assert asked_on_the_wire(system) == [200, 400, 200]


async def test_an_answer_that_broke_off_and_whose_token_is_refused_is_asked_for_anew(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=1, cut_after=2)])
    system.model.script.extend([TOKENS, {"continuation_tokens": False}, {"text": "Something else."}])
    task = await system.answered("anew.txt", NOTES)
    assert answers(task) == ["Something else."]
    assert asked_on_the_wire(system) == ["cut", 400, 200]


async def test_a_call_with_a_token_that_is_refused_for_no_named_reason_is_made_without_it(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=1, cut_after=2)])
    system.model.script.extend([TOKENS, {"status": 400}, {"text": "Something else."}])
    task = await system.answered("no-reason.txt", NOTES)
    assert answers(task) == ["Something else."]
    assert asked_on_the_wire(system) == ["cut", 400, 200]


async def test_an_answer_that_cannot_be_continued_past_a_limit_that_was_asked_for_says_so(system: System) -> None:
    system.model.script.append({**TOKENS, "finish_reason": "CONTINUATION"})
    task = await system.answered("limited.txt", NOTES, dropsight_max_tokens="500")
    results: Any = task.results
    assert results[0]["choices"][0]["finish_reason"] == "length"
    assert any("CONTINUATION" in warning for warning in task.warnings)
    assert asked_on_the_wire(system) == [200, 400]


async def test_an_answer_that_ends_at_the_limit_that_was_asked_for_is_not_gone_on_with(system: System) -> None:
    system.model.script.append({**TOKENS, "chunks": None})
    task = await system.answered("at-the-limit.txt", NOTES, dropsight_max_tokens="5")
    assert answers(task) == [WORDS[:20]]
    assert asked_on_the_wire(system) == [200]


async def test_a_structured_answer_is_whole_though_it_breaks_in_the_middle_of_a_word(system: System) -> None:
    text = json.dumps({"language": "en", "segments": [{"start": "00:00", "end": "00:01", "speaker": "A", "text": "x"}]})
    system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=2, cut_after=3)])
    system.model.script.extend([{**TOKENS, "chunks": 9, "text": text}] * 3)
    uri = await system.drop("structured.wav", SAMPLES / "speech.wav", dropsight_recipe="transcribe-timed")
    task = await through_waiting(system, uri)
    assert answers(task) == [text]
    assert asked_on_the_wire(system) == ["cut", "cut", 200]
    asked = [{**body, "continuationToken": None} for _, body in system.model.asked]
    assert asked[0] == asked[1] == asked[2]


async def test_what_a_broken_answer_cost_is_what_the_service_counted(system: System) -> None:
    text = " ".join(f"word{number:04}" for number in range(400))
    answering = {**TOKENS, "chunks": 20, "checkpoint_every": 2, "text": text}
    system.model.script.extend([*[{**answering, "end_after": 5}] * 3, {**answering, "end_after": None}])
    task = await ended(system, "counted.txt")
    calls = [call for call in system.tap.ledger.calls("gemini") if "enerateContent" in str(call["path"])]
    counted = {name: sum(int(str(call[name])) for call in calls) for name in ("prompt_tokens", "answer_tokens")}
    assert answers(task) == [text]
    assert len(calls) == 4
    assert task.usage is not None
    assert task.usage["prompt_tokens"] == counted["prompt_tokens"]
    assert task.usage["completion_tokens"] == counted["answer_tokens"]


@pytest.mark.long
async def test_an_answer_that_outlasts_the_time_of_a_dispatch_goes_on_in_the_next_one(system: System) -> None:
    system.model.script.extend([{**TOKENS, "latency": "40m"}, TOKENS])
    uri = await system.drop("outlasting.txt", NOTES)
    await system.let_time_pass(uri, until=lambda: len(system.model.asked) == 2)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert answers(task) == [WORDS]
    assert task.attempts == 0
    assert "continuationToken" in system.model.asked[1][1]
    assert asked_on_the_wire(system)[-1] == 200


async def test_an_error_behind_a_token_is_no_failed_attempt(system: System) -> None:
    system.model.script.extend([{**TOKENS, "error_after": 2, "error_status": 500}, {**TOKENS, "error_after": None}])
    task = await ended(system, "no-attempt.txt")
    assert answers(task) == [WORDS]
    assert (task.attempts, task.outages) == (0, 1)


BREAKS = [{"end_after": 2}, {"error_after": 2, "error_status": 503}, {"error_after": 2, "error_status": 500}]


@pytest.mark.parametrize("breaking", [*BREAKS, "cut"])
async def test_an_answer_that_breaks_again_behind_a_token_goes_on_after_a_pause_from_where_it_was(
    system: System, breaking: dict[str, Any] | str
) -> None:
    """Without the pause, a service that hangs up behind each token is asked 64 times within a second."""
    if breaking == "cut":
        system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=3, cut_after=2)])
    broken = {**TOKENS, "chunks": 12, **(breaking if isinstance(breaking, dict) else {})}
    system.model.script.extend([broken] * 3)
    system.model.script.append({**TOKENS, "chunks": 12, "end_after": None, "error_after": None})
    uri = await system.drop(f"again-{breaking}.txt", NOTES)
    waiting = await system.until(uri, lambda task: task.waiting is not None and task.lease_until is None)
    assert len(system.model.asked) <= 2
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "retrying"
    task = await through_waiting(system, uri)
    assert answers(task) == [WORDS]
    assert task.attempts == 0
    assert len(asked_on_the_wire(system)) == 4


CALLS: list[dict[str, Any]] = [
    {"text": "I look it up. "},
    {"functionCall": {"name": "look", "args": {"number": 1}}},
    {"text": "And also this. "},
    {"functionCall": {"name": "look", "args": {"number": 2}}},
    {"functionCall": {"name": "look", "args": {"number": 3}}},
]


@pytest.mark.parametrize("cut_after", range(1, 7))
async def test_readers_of_a_stream_get_each_call_once_wherever_it_breaks(system: System, cut_after: int) -> None:
    looking = {"continuation_tokens": True, "checkpoint_every": 2, "chunks": 2, "parts": CALLS}
    system.tap.faults.add([Fault(service="gemini", match="enerateContent", times=2, cut_after=cut_after)])
    system.model.script.extend([looking] * 3)
    function = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    body = {"model": "gemini-2.5-flash-lite", "stream": True, "tools": [function]}
    request = {**body, "messages": [{"role": "user", "content": "Look."}]}
    name = f"manifests/tests/calls-{cut_after}.json"
    task = await through_waiting(system, await system.drop(name, json.dumps(request).encode(), bucket=REQUESTS))
    assert task.error is None
    results: list[Any] = list(task.results or ())
    message = results[0]["choices"][0]["message"]
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [
        f'{{"number": {n}}}' for n in (1, 2, 3)
    ]
    shown = join_chunks(await wiring.generate().chunks.since(task.id, 0))
    if task.stored_chunks:
        assert shown.content == message["content"]
        assert [{name: call[name] for name in call if name != "index"} for call in shown.calls] == message["tool_calls"]
        assert [call["index"] for call in shown.calls] == [0, 1, 2]
    else:
        # It broke before its first token, after words: the second answer is not told behind the first.
        assert cut_after == 1


def spoken(number: int) -> dict[str, Any]:
    word = {"word": f"Word{number}.", "startOffset": f"{number}s", "endOffset": f"{number + 1}s"}
    return {"text": f"Word{number}. ", "audioTranscription": {"languageCode": "en-US", "words": [word]}}


async def test_the_words_of_a_recording_whose_answer_breaks_are_one_transcript(system: System) -> None:
    words = {"continuation_tokens": True, "checkpoint_every": 1, "parts": [spoken(number) for number in range(4)]}
    system.model.script.extend([{**words, "end_after": 2}, {**words, "end_after": None}])
    task = await system.answered("words.wav", SAMPLES / "speech.wav", dropsight_recipe="transcribe-words")
    segments = json.loads(answers(task)[0])["segments"]
    assert [segment["text"] for segment in segments] == ["Word0.", "Word1.", "Word2.", "Word3."]
    assert [segment["start"] for segment in segments] == [0, 1, 2, 3]
    assert len(asked_on_the_wire(system)) == 2
