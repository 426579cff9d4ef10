"""What is checked of a request in one form is stored, hashed and sent in that form; odd input is refused at once."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.errors import RequestRefused
from shared.domain.recipe.book import BUILT_IN
from shared.domain.request.inputs import inputs_of
from shared.domain.request.messages import StrictModel
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import Submission, as_stored, digest_of, read, replace_fields
from shared.domain.request.validation import read_and_check
from shared.domain.request.wire import body
from tests.shared.domain.request.full_request import FULL, TODAY, TOOL, outcome, refusal, written

QUOTED: dict[str, Any] = {
    "evidence": True,
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string"}}},
    "audio_url": None,
    "messages": [{"role": "user", "content": "Which chapter is the longest?"}],
}
CACHE: dict[str, Any] = {"extra_body": {"google": {"cached_content": "cachedContents/abc"}}}


@pytest.mark.parametrize(
    "spelled",
    [
        "models/gemini-2.5-flash",
        " gemini-2.5-flash",
        "gemini-2.5-flash\n",
        "\tmodels/gemini-2.5-flash ",
        "models/ gemini-2.5-flash",
    ],
)
def test_a_models_name_is_stored_hashed_and_sent_as_it_was_looked_up(spelled: str) -> None:
    plain, other = read_and_check(written(), TODAY).submission, read_and_check(written(model=spelled), TODAY).submission
    assert other.model == "gemini-2.5-flash"
    assert as_stored(other) == as_stored(plain)
    assert digest_of(other) == digest_of(plain)
    assert json.loads(replace_fields(as_stored(plain), json.dumps({"model": None}).encode()))["model"] == plain.model


@pytest.mark.parametrize(
    "name", ["", " ", "models/", "models/ ", "gemini-2.5-flash gemini", "tunedModels/a", "a/b", "Gemini"]
)
def test_what_is_no_models_name_is_refused(name: str) -> None:
    refused = refusal(written(model=name))
    assert (refused.status, refused.param) == (422, "model")


def optional_places(value: Any, model: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field in a valid body that may be left out, by what pydantic knows of it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if not field.is_required():
            yield (*path, key)
        member = getattr(value, name)
        for index, item in enumerate(member) if isinstance(member, list) else [(None, member)]:
            if isinstance(item, StrictModel):
                step = (key,) if index is None else (key, index)
                yield from optional_places(item, type(item), (*path, *step))


PLACES = list(optional_places(read(json.dumps(FULL).encode()), Submission))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_null_counts_as_left_out(place: tuple[str | int, ...]) -> None:
    """In every optional field, however deep; what needs it says the same of both."""
    null, without = json.loads(json.dumps(FULL)), json.loads(json.dumps(FULL))
    for whole in (null, without):
        holder = whole
        for step in place[:-1]:
            holder = holder[step]
        if whole is null:
            holder[place[-1]] = None
        else:
            holder.pop(place[-1], None)
    outcomes: list[tuple[Any, Any]] = []
    for whole in (null, without):
        try:
            submission = read_and_check(json.dumps(whole).encode(), TODAY).submission
            outcomes.append((as_stored(submission), digest_of(submission)))
        except RequestRefused as refused:
            outcomes.append((refused.message, refused.param))
    assert outcomes[0] == outcomes[1]


def test_the_places_of_null_are_all_fields() -> None:
    assert {"sync", "stream", "reasoning", "audio_url", "prompt", "recipe"} <= {place[0] for place in PLACES}
    assert ("messages", 1, "content", 1, "image_url", "detail") in PLACES
    assert ("response_format", "json_schema", "name") in PLACES
    assert ("messages", 2, "tool_calls", 0, "type") in PLACES


def test_a_reruns_null_removes_a_field_and_one_that_must_be_there_stays() -> None:
    ran = next(recipe for recipe in BUILT_IN if recipe.name == "transcribe").ran()
    nulls = dict.fromkeys(("model", "recipe", "messages", "audio_url", "stream", "sync", "metadata", "tool_choice"))
    for changes in (nulls, {}):
        again, submission = resolve_rerun(ran, "gs://box/a.mp3", json.dumps(changes).encode())
        assert again is not None
        assert (again.recipe, submission.model, submission.stream) == ("transcribe", ran.snapshot["model"], False)


def test_text_has_one_limit_in_every_form() -> None:
    for content in ("x" * 1_000_001, [{"type": "text", "text": "x" * 1_000_001}]):
        message = {"role": "user", "content": content}
        refused = refusal(json.dumps({"model": "gemini-2.5-flash", "messages": [message]}).encode())
        assert (refused.status, refused.code) == (422, "invalid_param")
        assert refused.param is not None
        assert refused.param.startswith("messages.0.content")
    most = [{"role": "user", "content": "x" * 1_000_000}]
    assert read_and_check(json.dumps({"model": "gemini-2.5-flash", "messages": most}).encode(), TODAY)


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"properties": {"a": {"not": {}}}}}}},
         "response_format.json_schema.schema.properties.a.not"),
        ({"tools": [TOOL, {"type": "function", "function": {"name": "f", "parameters": {"items": {"not": {}}}}}]},
         "tools.1.function.parameters.items.not"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
         "tool_choice.function.name"),
        ({"tools": [{**TOOL, "function": {"name": f"f{n}", "description": "d" * 9_000}} for n in range(40)]}, "tools"),
        ({"extra_body": {"google": {"cached_content": "caches/abc"}}}, "extra_body.google.cached_content"),
        ({**CACHE, "tools": [TOOL]}, "tools"),
        ({**CACHE, "system_prompt": "Be brief."}, "system_prompt"),
        ({**CACHE, "index": "all"}, "index"),
        ({**CACHE, **QUOTED}, "evidence"),
        ({"stop": "x" * 1_001}, "stop"),
        ({"stop": ["a"] * 6}, "stop"),
        ({"stop": ["a", ""]}, "stop.1"),
        ({"safety_settings": [{"category": "HARM_CATEGORY_SMELL", "threshold": "OFF"}]}, "safety_settings.0.category"),
        ({"metadata": {"a": "b\0"}}, "metadata"),
        ({"metadata": {"a\x1b": "b"}}, "metadata"),
        ({"metadata": {"__a__": "b"}}, "metadata"),
        ({"metadata": {"": "b"}}, "metadata"),
        ({"temperature": 10**400}, None),
        ({"seed": 10**30}, "seed"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"minimum": 10**400}}}},
         "response_format.json_schema.schema.minimum"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_refused_at_once_by_its_own_name(field: dict[str, Any], param: str | None) -> None:
    refused = refusal(written(**field))
    assert refused.status in (400, 422)
    assert (refused.param or "").startswith(param or "")


def test_of_the_forms_of_a_field_the_error_of_the_one_that_was_sent_is_shown() -> None:
    assert "at most 5 items" in refusal(written(stop=["a"] * 6)).message


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"\xef\xbb\xbf" + written(), 200),
        (written().replace(b'"model"', b'"model": "gpt-4o", "model"', 1), 200),
        ('{"model": "gemini-2.5-flash", "audio_url": "x"}'.encode("utf-16"), 400),
        ('{"model": "gemini-2.5-flash", "audio_url": "x"}'.encode("utf-16-le"), 400),
        ('{"model": "gemini-2.5-flash", "audio_url": "x"}'.encode("utf-32"), 400),
        (b"\x1f\x8b\x08\0\0\0\0\0", 400),
        (written(prompt="\ud800"), 400),
        (written(metadata={"a": "\udfff"}), 400),
        (b'{"model": "\xff"}', 400),
        (written(temperature="@").replace(b'"@"', b"1e999"), 422),
        (written(temperature="@").replace(b'"@"', b"NaN"), 400),
        (written(seed="@").replace(b'"@"', b"9" * 5_000), 400),
        (written(seed="@").replace(b'"@"', b"1" + b"0" * 300), 422),
        (written(prompt="@").replace(b'"@"', b"[" * 100_000), 400),
        (written(prompt="@").replace(b'"@"', b'{"a":' * 3_000 + b"1" + b"}" * 3_000), 400),
        (written() + b"x", 400),
        (b"model=gemini-2.5-flash", 400),
        (b"[]", 422),
    ],
)
def test_a_body_of_an_odd_form_is_taken_or_refused_but_never_stumbled_over(text: bytes, status: int) -> None:
    result = outcome(text)
    if isinstance(result, RequestRefused):
        assert (result.status, result.code) == (status, "invalid_param")
    else:
        assert status == 200
    if status == 400:
        with pytest.raises(RequestRefused):
            replace_fields(written(), text)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("DATA:AUDIO/WAV;BASE64,AAAA", True),
        ("data:audio/wav;codecs=1;base64,AAAA", True),
        ("data:audio/wav;base64,AAA", False),
        ("data:audio/wav;base64,AAAA==", False),
        ("data:audio/wav;base64,AA==AAAA", False),
        ("data:audio/wav;base64,AA\nAA", False),
        ("data:audio/wav;base64,__-A", False),
        ("data:audio/wav;base64,", False),
        ("data:audio/wav,AAAA", False),
        ("data:;base64,AAAA", False),
        ("data:smell/rose;base64,AAAA", False),
        ("HTTPS://example.com/a.wav", True),
        ("https://exämple.com/ü.wav", True),
        (" https://example.com/a.wav", False),
        ("https://example.com/a.wav ", False),
        ("https://example.com/a b.wav", False),
        ("http://[::1", False),
        ("ftp://example.com/a.wav", False),
        ("gs://bucket/a%20b#c?d=ü.wav", True),
        ("gs://bucket/a b.wav", True),
        ("gs://bucket/" + "a" * 1_024, True),
        ("gs://bucket/" + "ü" * 513, False),
        ("gs://bucket/..", False),
        ("gs://bucket/", False),
        ("gs://bucket/a\nb", False),
        ("GS://bucket/a", False),
    ],
)
def test_an_address_is_taken_as_it_is_written_or_refused(url: str, taken: bool) -> None:
    for recipe in ({}, {"recipe": "transcribe"}):
        result = outcome(written(audio_url=url, **recipe))
        if isinstance(result, RequestRefused):
            assert (result.status, result.param, taken) == (422, "audio_url", False), result.message
        else:
            assert taken
            assert getattr(result.inputs[0], "uri", url) == url


def test_inline_data_is_the_same_when_it_is_decoded() -> None:
    for size in range(1, 9):
        data = bytes(range(size))
        url = "data:audio/wav;base64," + base64.b64encode(data).decode()
        (result,) = inputs_of(read(written(audio_url=url)))
        assert base64.b64decode(getattr(result, "encoded", ""), validate=True) == data


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "NaN",
        '{"a": NaN}',
        '{"a": 1e999}',
        "[" * 100_000,
        '{"a":' * 500 + "1" + "}" * 500,
        '{"a": "\\ud800"}',
        "9" * 5_000,
    ],
)
def test_a_calls_arguments_that_cannot_be_sent_as_json_are_sent_as_text(arguments: str) -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": arguments}}]
    turns = [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "c", "content": arguments}]
    text = json.dumps({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "x"}, *turns]}).encode()
    contents = body(read_and_check(text, TODAY))["contents"]
    assert json.dumps(contents, allow_nan=False, ensure_ascii=False).encode()
    assert arguments[:40] in json.dumps(contents).replace('\\"', '"').replace("\\\\", "\\")


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"stream": True}, "stream", "leave out stream"),
        ({"tools": [TOOL]}, "tools", "leave out tools or index"),
        ({"response_format": {"type": "json_object"}}, "response_format", "text with citations"),
        ({"model": "gemini-3.5-transcribe"}, "model", "gemini-3.5-transcribe"),
        ({"index": "No Such Name"}, "index", "pattern"),
    ],
)
def test_an_index_is_asked_for_text_as_a_whole_by_a_model_that_searches(
    fields: dict[str, Any], param: str, words: str
) -> None:
    question = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Who?"}], "index": "notes"}
    assert read_and_check(json.dumps(question).encode(), TODAY).submission.index == "notes"
    with pytest.raises(RequestRefused) as refused:
        read_and_check(json.dumps({**question, **fields}).encode(), TODAY)
    assert refused.value.param == param
    assert words in refused.value.message


def test_a_rerun_of_a_file_asks_no_index() -> None:
    with pytest.raises(RequestRefused, match="submit a request to ask across files"):
        resolve_rerun(None, "gs://inbox/a.txt", b'{"index": "notes", "prompt": "Who?"}')
