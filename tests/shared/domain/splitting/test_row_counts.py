"""What is asked to count the rows of a window, and what is said of those that are missing."""

from __future__ import annotations

from typing import Any, cast

from shared.domain.recipe.definition import Parameters, Recipe, Thinking
from shared.domain.recipe.question import Question
from shared.domain.recipe.wire import PreparedFile, request
from shared.domain.splitting.plan import Part, Span
from shared.domain.splitting.row_counts import (
    CountedWindow,
    counted_rows,
    counting_name,
    counting_question,
    warnings_of_windows,
)

PLAN = (Span(start=1, end=10, unit="pages"), Span(start=10, end=12, unit="pages"))
RECIPE = Recipe(
    name="stock",
    takes=("pdf",),
    system="Be exact.",
    prompt="List all rows.",
    parameters=Parameters(temperature=1.5, max_tokens=60_000),
    thinking=Thinking(level="low"),
    tools=("code_execution",),
)


def question() -> Question:
    files = [PreparedFile("application/pdf", "files/window")]
    part = Part(question="", number=2, plan=PLAN, join="merge", warning="It was split.")
    return Question(
        model=RECIPE.model,
        body=request(RECIPE, RECIPE.questions[0], RECIPE.prompt, files),
        ran=RECIPE.ran(),
        name="part 2 of 2",
        repairs=1,
        continuations=3,
        part=part,
        media={"image": 3_000},
    )


def test_the_count_is_asked_of_the_same_pages_alone_and_may_write_little() -> None:
    counting = counting_question(question())
    (turn,) = cast(Any, counting.body["contents"])
    assert turn["parts"][0]["fileData"]["fileUri"] == "files/window"
    assert "List all rows." not in str(counting.body)
    config = cast(Any, counting.body["generationConfig"])
    assert config["maxOutputTokens"] == counting.max_tokens == 4_096
    assert "thinkingConfig" in config
    assert "temperature" not in config
    assert counting.body.keys() == {"contents", "generationConfig"}
    assert (counting.continuations, counting.repairs, counting.media) == (0, 0, {"image": 3_000})
    assert counting.name == counting_name(2, 2)


def test_the_rows_of_all_pages_of_a_window_are_added_up() -> None:
    assert counted_rows({"pages": [{"page": 1, "rows": 40}, {"page": 2, "rows": 0}]}) == 40


def test_windows_that_lack_rows_and_windows_without_a_count_are_named() -> None:
    first, second = PLAN
    assert warnings_of_windows([CountedWindow(first, 400, 400), CountedWindow(second, 90, 91)]) == []
    assert warnings_of_windows([CountedWindow(first, 1_400, 390), CountedWindow(second, None, 80)]) == [
        "Rows are missing, as the model counted those of the scanned pages: 1,010 of 1,400 on pages 1 to 10.",
        "The rows on pages 10 to 12 were not counted: the model gave no count of them.",
    ]
