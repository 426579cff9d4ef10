"""Which stored rounds count, and when a task is settled by them."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, Step
from shared.domain.recipe.question import Question
from shared.domain.splitting.plan import Part, Span
from shared.domain.stored_rounds import (
    Round,
    all_settled,
    counted_rounds,
    failure_of_part,
    next_question,
    part_of_result,
    question_of_result,
    recipe_of_rounds,
    result_names,
    round_of,
    rounds_of_question,
    with_schema_problem,
    with_warnings_of_parts,
)
from shared.domain.tasks.task import Ran

WHOLE = CompleteAnswer({}, "words", None, ("It broke off.",))
AGAIN = AskAgain("again", ())
FAILED = Failed("empty_answer", "Gemini gave no answer.")
PAGES = (Span(start=1, end=750, unit="pages"), Span(start=751, end=900, unit="pages"))


def ran(*names: str) -> Ran:
    asks: list[JsonValue] = [{"name": name, "prompt": "What does it say?"} for name in names]
    return Ran(recipe="mine", sha256="0" * 64, snapshot={"name": "mine", "takes": ["pdf"], "asks": asks})


def question(name: str = "", *, part: int | None = None, about: str = "") -> Question:
    plan = None if part is None else Part(question=about, number=part, plan=PAGES, join="append", warning="Split.")
    return Question(model="gemini-2.5-flash", body={}, ran=ran("summary", "tables"), name=name, part=plan)


def round_(claim: int, number: int, asked: Question | None = None) -> Round:
    return Round(claim, number, asked or question(), ("summary", "tables"), {"claim": claim})


def claims(rounds: list[Round]) -> list[tuple[int, int]]:
    return [(entry.number, entry.claim) for entry in counted_rounds(rounds)]


def test_a_record_becomes_a_round_without_the_body_of_its_question() -> None:
    stored = question("summary").model_dump(mode="json")
    record: Json = {"claim": 2, "round": 1, "question": stored, "asked": ["summary"], "response": {"candidates": []}}
    assert round_of(record) == Round(2, 1, question("summary"), ("summary",), {"candidates": []})
    assert round_of({**record, "question": {**stored, "body": {"contents": []}}}).question.body == {}


def test_rounds_of_one_claim_count_in_the_order_of_their_numbers() -> None:
    assert claims([round_(1, 2), round_(1, 0), round_(1, 1)]) == [(0, 1), (1, 1), (2, 1)]
    assert claims([]) == []


def test_a_takeover_goes_on_after_the_rounds_of_the_claim_before_it() -> None:
    assert claims([round_(1, 0), round_(3, 1)]) == [(0, 1), (1, 3)]


def test_of_two_claims_that_stored_one_round_the_newer_counts() -> None:
    assert claims([round_(1, 0), round_(2, 0), round_(2, 1)]) == [(0, 2), (1, 2)]


def test_a_round_that_a_newer_claim_did_not_see_does_not_count() -> None:
    assert claims([round_(1, 0), round_(1, 1), round_(2, 0)]) == [(0, 2)]


def test_rounds_after_a_missing_number_do_not_count() -> None:
    assert claims([round_(1, 0), round_(1, 2)]) == [(0, 1)]
    assert claims([round_(1, 1)]) == []


@pytest.mark.parametrize(
    ("steps", "settled"),
    [
        ([WHOLE, WHOLE], True),
        ([WHOLE, None], False),
        ([WHOLE, AGAIN], False),
        ([None, FAILED], True),
        ([FAILED, AGAIN], True),
    ],
)
def test_a_task_is_settled_by_its_last_answer_or_by_its_first_failure(steps: list[Step | None], settled: bool) -> None:
    assert all_settled(steps) is settled


def test_every_question_has_a_result() -> None:
    rounds = [round_(1, 0, question("summary"))]
    assert result_names(rounds) == ("summary", "tables")
    assert question_of_result(rounds, "summary").name == "summary"
    assert part_of_result(rounds, "summary") is None


def test_questions_about_parts_have_the_result_of_the_recipes_question() -> None:
    rounds = [
        round_(1, 0, question("summary part 1 of 2", part=1, about="summary")),
        round_(1, 1, question("summary part 2 of 2", part=2, about="summary")),
    ]
    assert result_names(rounds) == ("summary", "tables")
    assert question_of_result(rounds, "summary").name == "summary part 1 of 2"
    part = part_of_result(rounds, "summary")
    assert part is not None
    assert part.plan == PAGES
    assert part_of_result(rounds, "tables") is None
    assert rounds_of_question(rounds, "summary part 2 of 2") == rounds[1:]


def test_a_takeover_keeps_the_recipe_that_was_asked_with() -> None:
    assert recipe_of_rounds([round_(1, 0)]) == ran("summary", "tables")
    assert recipe_of_rounds([]) is None


def test_a_following_call_has_the_turns_so_far_and_a_continuation_has_no_schema() -> None:
    user: Json = {"role": "user", "parts": [{"text": "List them."}]}
    more: Json = {"role": "user", "parts": [{"text": "Go on."}]}
    body: Json = {"contents": [user], "generationConfig": {"responseMimeType": "application/json", "temperature": 0}}
    first = question().model_copy(update={"body": body})
    assert next_question(first, None) is first
    assert next_question(first, AskAgain("repair", (more,))).body == {**body, "contents": [user, more]}
    continued = next_question(first, AskAgain("continue", (more,))).body
    assert continued == {"contents": [user, more], "generationConfig": {"temperature": 0}}


def test_the_failure_of_a_part_names_its_pages() -> None:
    assert failure_of_part(FAILED, PAGES[0]) == Failed("empty_answer", "pages 1 to 750: Gemini gave no answer.")


def test_answers_that_do_not_fit_together_come_with_a_warning() -> None:
    assert with_schema_problem(WHOLE, ()) is WHOLE
    warnings = with_schema_problem(WHOLE, ("rows: too many", "rows: not unique")).warnings
    assert warnings == (
        "It broke off.",
        "The answers about the parts fit their schema, but together they do not: rows: too many.",
    )


def test_a_joined_answer_has_the_warnings_of_its_parts_first() -> None:
    joined = WHOLE._replace(warnings=("The joined answer was cut off.",))
    assert with_warnings_of_parts(joined, [WHOLE]).warnings == ("It broke off.", "The joined answer was cut off.")
