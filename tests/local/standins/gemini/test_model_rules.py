"""What single models refuse, and who answers for a model from the day of its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.standins.gemini.errors import ApiError
from local.standins.gemini.models import catalogue
from local.standins.gemini.thinking import check_thinking
from shared.domain.models.catalogue import ThinkingByLevel
from shared.domain.models.catalogue import catalogue as known
from tests.local.standins.gemini.conftest import Running
from tests.local.standins.gemini.test_validation import ask, config, part


@pytest.mark.parametrize("name", ["gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite"])
def test_newer_models_take_no_penalty_and_pay_no_heed_to_sampling(shared: Running, name: str) -> None:
    for field in ("presencePenalty", "frequencyPenalty"):
        assert f"Penalty is not enabled for models/{name}" in ask(shared.wire, config(**{field: 0.5}), name)["message"]
        assert ask(shared.wire, config(**{field: 0}), name) == {}
    assert ask(shared.wire, config(temperature=0.3, topK=40), name) == {}


_REFUSED = "ending with a model turn"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gemini-3.5-flash-lite", _REFUSED),
        ("gemini-4-argon", _REFUSED),
        ("gemini-3.1-flash-lite", ""),
        ("gemini-2.5-flash-lite", ""),
    ],
)
def test_newer_models_do_not_go_on_with_a_turn_of_the_model(shared: Running, name: str, words: str) -> None:
    turns = [
        {"role": "user", "parts": [{"text": "A poem, please."}]},
        {"role": "model", "parts": [{"text": "Roses are"}]},
    ]
    assert words in ask(shared.wire, {"contents": turns}, name).get("message", "")


def test_newer_models_take_words_after_a_tools_answer_for_a_turn_of_the_model(shared: Running) -> None:
    call = {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "c2ln"}
    answer, text = {"functionResponse": {"name": "weather", "response": {"result": "sunny"}}}, {"text": "And now?"}
    turns: list[dict[str, object]] = [
        {"role": "user", "parts": [{"text": "How is it?"}]},
        {"role": "model", "parts": [call]},
    ]
    tools = [{"functionDeclarations": [{"name": "weather"}]}]
    for parts, words in (([answer, text], _REFUSED), ([text, answer], "")):
        body = {"contents": [*turns, {"role": "user", "parts": parts}], "tools": tools}
        assert words in ask(shared.wire, body, "gemini-3.5-flash-lite").get("message", "")


def test_gemini_4_answers_once_makes_no_cache_and_shares_its_window_with_the_answer(shared: Running) -> None:
    name = "gemini-4-argon"
    assert "[1, 1]" in ask(shared.wire, config(candidateCount=2), name)["message"]
    assert "together exceed" in ask(shared.wire, config(maxOutputTokens=1_048_576), name)["message"]
    made = shared.wire.post("/v1beta/cachedContents", json={"model": f"models/{name}", **part(text="Hi")})
    assert made.status_code == 404


def test_from_the_day_of_its_end_a_model_is_answered_by_its_successor(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    running = start(tmp_path / "later")
    budget = config(thinkingConfig={"thinkingBudget": 100})
    days = (datetime(2026, 12, 1, 12, tzinfo=UTC) - running.clock.now()).total_seconds()
    running.clock.advance(max(0.0, days))
    answer = running.wire.post("/v1/models/gemini-2.5-pro:generateContent", json=part(text="Hello"))
    assert answer.json()["modelVersion"] == "gemini-3.8-flash"
    refused = ask(running.wire, config(thinkingConfig={"thinkingLevel": "MINIMAL"}), "gemini-2.5-pro")
    assert "Thinking level MINIMAL is not supported" in refused["message"]
    assert ask(running.wire, budget, "gemini-2.5-flash-lite")["status"] == "INVALID_ARGUMENT"


def test_a_model_that_always_thinks_takes_no_budget_of_nothing() -> None:
    pro = catalogue()["gemini-2.5-pro"]
    with pytest.raises(ApiError, match="Budget 0 is invalid"):
        check_thinking({"thinkingBudget": 0}, pro)
    with pytest.raises(ApiError, match="between 128 and 32768"):
        check_thinking({"thinkingBudget": 100}, pro)


def test_the_stand_in_serves_the_models_of_the_products_catalogue() -> None:
    for model in known().models:
        served = catalogue()[model.id]
        assert served.input_token_limit == model.input_tokens, model.id
        assert served.output_token_limit == max(1, model.output_tokens), model.id
        assert served.penalties == (not model.refuses), model.id
        if isinstance(model.thinking, ThinkingByLevel):
            assert {level.lower() for level in served.thinking_levels} == set(model.thinking.levels), model.id
        assert ("createCachedContent" in served.methods) >= (model.cache_minimum is not None), model.id
        if model.shutdown is not None and served.ends is not None:
            assert (served.ends, served.successor) == (model.shutdown.on, model.shutdown.successor), model.id
    assert not {each.id for each in known().retired} & catalogue().keys()
    assert {alias: catalogue()[alias].alias_of for alias in known().latest} == known().latest
