"""Tools: function calls and their responses, code execution, search and URL context."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from google.genai import errors, types

from tests.local.standins.gemini.conftest import Running

MODEL = "gemini-2.5-flash-lite"
WEATHER = types.FunctionDeclaration.model_validate(
    {
        "name": "get_current_weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "OBJECT",
            "properties": {
                "location": {"type": "STRING"},
                "unit": {"type": "STRING", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "INTEGER", "minimum": 1, "maximum": 10},
            },
            "required": ["location"],
        },
    }
)
TIME = types.FunctionDeclaration(name="tell_time", parameters_json_schema={"type": "object", "properties": {}})
TOOLS: list[Any] = [types.Tool(function_declarations=[WEATHER, TIME])]


def ask(running: Running, contents: Any, model: str = MODEL, **config: Any) -> types.GenerateContentResponse:
    config = {"automatic_function_calling": {"disable": True}, **config}
    return running.client.models.generate_content(
        model=model, contents=contents, config=types.GenerateContentConfig.model_validate(config)
    )


def test_a_function_that_the_prompt_speaks_of_is_called(shared: Running) -> None:
    answer = ask(shared, "What is the weather in Boston, for 3 days, in celsius?", tools=TOOLS)
    assert answer.function_calls is not None
    call = answer.function_calls[0]
    assert call.name == "get_current_weather"
    assert call.args == {"location": "Boston", "unit": "celsius", "days": 3}
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP


def test_arguments_satisfy_the_parameters(shared: Running) -> None:
    answer = ask(shared, "Call get_current_weather for 99 days", tools=TOOLS)
    assert answer.function_calls is not None
    schema = {
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["location"],
    }
    jsonschema.validate(answer.function_calls[0].args, schema)


def test_a_function_that_nobody_speaks_of_is_not_called(shared: Running) -> None:
    assert ask(shared, "Hello", tools=TOOLS).function_calls is None


def test_mode_any_calls_and_mode_none_never_does(shared: Running) -> None:
    calling: dict[str, Any] = {"function_calling_config": {"mode": "ANY"}}
    first = ask(shared, "Hello", tools=TOOLS, tool_config=calling).function_calls
    assert first is not None
    assert first[0].name == "get_current_weather"
    calling["function_calling_config"]["allowed_function_names"] = ["tell_time"]
    allowed = ask(shared, "What is the weather?", tools=TOOLS, tool_config=calling).function_calls
    assert allowed is not None
    assert [call.name for call in allowed] == ["tell_time"]
    none = ask(shared, "The weather?", tools=TOOLS, tool_config={"function_calling_config": {"mode": "NONE"}})
    assert none.function_calls is None
    assert none.text


def test_a_function_response_is_answered_in_words(shared: Running) -> None:
    def get_current_weather(location: str) -> str:
        """The weather at a place."""
        return f"sunny in {location}"

    answer = shared.client.models.generate_content(
        model=MODEL, contents="What is the weather in Boston?", config={"tools": [get_current_weather]}
    )
    assert "sunny in Boston" in (answer.text or "")
    assert answer.automatic_function_calling_history is not None
    assert len(answer.automatic_function_calling_history) == 3


def test_several_functions_are_called_in_the_order_of_the_question(shared: Running) -> None:
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    def get_stock_price(symbol: str) -> str:
        """The price of a share."""
        return f"{symbol} costs 1000"

    answer = shared.client.models.generate_content(
        model=MODEL,
        contents="What is the price of GOOG? And what is the weather in Boston?",
        config={"tools": [get_weather, get_stock_price]},
    )
    assert "GOOG costs 1000" in (answer.text or "")
    assert "sunny in Boston" in (answer.text or "")
    assert answer.automatic_function_calling_history is not None
    calls = answer.automatic_function_calling_history[1].parts
    assert [part.function_call.name for part in calls or [] if part.function_call] == ["get_stock_price", "get_weather"]


def test_a_sum_in_the_question_calls_the_function_that_reckons_it(shared: Running) -> None:
    def divide_integers(numerator: int, denominator: int) -> int:
        """Divide two whole numbers."""
        return numerator // denominator

    answer = shared.client.models.generate_content(
        model=MODEL, contents="What is the result of 1000/2?", config={"tools": [divide_integers]}
    )
    assert "500" in (answer.text or "")


def test_gemini_3_wants_its_signature_back(shared: Running) -> None:
    question = types.Content(role="user", parts=[types.Part(text="What is the weather in Boston?")])
    answer = ask(shared, [question], "gemini-3.1-pro-preview", tools=TOOLS)
    assert answer.candidates is not None
    said = answer.candidates[0].content
    assert said is not None
    assert said.parts is not None
    assert said.parts[0].thought_signature
    response = types.Part.from_function_response(name="get_current_weather", response={"result": "rain"})
    turns = [question, said, types.Content(role="user", parts=[response])]
    assert "rain" in (ask(shared, turns, "gemini-3.1-pro-preview", tools=TOOLS).text or "")
    said.parts[0].thought_signature = None
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        ask(shared, turns, "gemini-3.1-pro-preview", tools=TOOLS)


def test_as_many_responses_as_calls_are_wanted(shared: Running) -> None:
    call = types.Part(function_call=types.FunctionCall(name="tell_time", args={}))
    response = types.Part.from_function_response(name="tell_time", response={})
    turns = [
        types.Content(role="user", parts=[types.Part(text="The time?")]),
        types.Content(role="model", parts=[call]),
        types.Content(role="user", parts=[response, response]),
    ]
    with pytest.raises(errors.ClientError, match="number of function response parts is equal"):
        ask(shared, turns, tools=TOOLS)


@pytest.mark.parametrize(
    ("question", "output"),
    [
        ("What is the sum of the first 50 prime numbers? Run code for it.", "5117\n"),
        ("Calculate (12 + 30) * 2 / 4.", "21.0\n"),
        ("Count the words of this", "5\n"),
    ],
)
def test_code_is_run_when_something_is_to_be_computed(shared: Running, question: str, output: str) -> None:
    answer = ask(shared, question, tools=[{"code_execution": {}}])
    assert answer.executable_code
    assert answer.code_execution_result == output
    assert answer.text


def test_no_code_is_run_without_the_tool_or_a_reason(shared: Running) -> None:
    assert ask(shared, "Calculate 1 + 1").executable_code is None
    assert ask(shared, "Hello", tools=[{"code_execution": {}}]).executable_code is None


def test_search_grounds_the_answer(shared: Running) -> None:
    answer = ask(shared, "Who won the cup?", tools=[{"google_search": {}}])
    assert answer.candidates is not None
    grounding = answer.candidates[0].grounding_metadata
    assert grounding is not None
    assert grounding.web_search_queries == ["Who won the cup?"]
    assert grounding.grounding_chunks is not None
    assert grounding.grounding_supports is not None
    segment = grounding.grounding_supports[0].segment
    assert segment is not None
    assert (answer.text or "").encode()[: segment.end_index].decode() == segment.text


def test_urls_of_the_prompt_are_named_but_not_fetched(shared: Running) -> None:
    answer = ask(shared, "Compare https://example.com/a and https://example.com/b.", tools=[{"url_context": {}}])
    assert answer.candidates is not None
    context = answer.candidates[0].url_context_metadata
    assert context is not None
    found = [(one.retrieved_url, str(one.url_retrieval_status)) for one in context.url_metadata or []]
    assert [url for url, _ in found] == ["https://example.com/a", "https://example.com/b"]
    assert all(status.endswith("URL_RETRIEVAL_STATUS_ERROR") for _, status in found)


def test_tools_that_need_the_cloud_say_so(shared: Running) -> None:
    with pytest.raises(errors.ServerError) as error:
        ask(shared, "Where am I?", tools=[{"google_maps": {}}])
    assert error.value.code == 501
