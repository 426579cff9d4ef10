"""Odd values anywhere in a request are taken or refused by name, and every call has its answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import RequestRefused
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import as_stored, digest_of
from shared.domain.request.validation import read_and_check
from shared.domain.request.wire import body
from tests.shared.domain.request.full_request import DATA, FULL, TODAY, outcome

odd_names = st.sampled_from([*FULL, "url", "type", "dropsight-range"])


odd_words = ["", " ", "\0", "\ud800", "__x__", "\x1b[1m", "x" * 20_000, "models/", "9" * 5_000, "detect", "transcribe"]


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**30, -1, 1e308, *odd_words]),
    st.recursive(
        st.none(),
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(odd_names, inner, max_size=2)),
        max_leaves=5,
    ),
    st.sampled_from([*FULL.values(), DATA, "gs://a/b", {"dropsight-range": "1:00-"}, {"dropsight-outputs": ","}]),
)


def places_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places_of(inner, (*path, step))


ALL_PLACES = [*places_of(FULL), ("audio_url",), ("prompt",), ("recipe",), ("reasoning_effort",), ("colour",)]


@pytest.mark.long
@given(st.lists(st.tuples(st.sampled_from(ALL_PLACES), ODD), min_size=1, max_size=3), st.booleans())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_odd_values_anywhere_are_taken_or_refused_by_name(changes: list[tuple[Any, Any]], about_a_file: bool) -> None:
    whole = json.loads(json.dumps(FULL))
    if about_a_file:
        whole = {**{name: value for name, value in whole.items() if name != "messages"}, "audio_url": DATA}
    for place, value in changes:
        holder = whole
        for step in place[:-1]:
            try:
                holder = holder[step]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if isinstance(holder, dict) or (
                isinstance(holder, list) and isinstance(place[-1], int) and place[-1] < len(holder)
            ):
                holder[place[-1]] = deepcopy(value)
    text = json.dumps(whole).encode()
    checked = outcome(text)
    if isinstance(checked, RequestRefused):
        assert checked.status in (400, 422)
        assert checked.param
        assert "out of the ordinary" not in checked.message
        return
    stored = as_stored(checked.submission)
    again = read_and_check(stored, TODAY)
    assert again.submission == checked.submission
    assert digest_of(again.submission) == digest_of(checked.submission)
    sent = body(checked, [PreparedFile("image/png", uri="u")] * len(checked.inputs))
    json.dumps(sent, allow_nan=False, ensure_ascii=False).encode()
    with contextlib.suppress(RequestRefused):
        resolve_rerun(None, "gs://box/a.png", text)


def calling(*ids: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        "tool_calls": [{"id": identifier, "function": {"name": "f", "arguments": ""}} for identifier in ids],
    }


def answering(call: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": "x"}


HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([HI, calling("a", "b"), answering("b"), answering("a")], None),
        ([HI, calling("a"), {"role": "system", "content": "s"}, answering("a"), HI], None),
        ([HI, calling("a"), calling("b"), answering("a"), answering("b")], None),
        ([HI, calling("a"), answering("a"), calling("a"), answering("a")], None),
        ([answering("a")], "messages.0.tool_call_id"),
        ([HI, calling("a"), answering("b")], "messages.2.tool_call_id"),
        ([HI, calling("a"), answering("a"), answering("a")], "messages.3.tool_call_id"),
        ([HI, calling("a", "b"), answering("a")], "messages"),
        ([HI, calling("a"), HI], "messages.2"),
    ],
)
def test_every_call_has_its_answer(messages: list[dict[str, Any]], param: str | None) -> None:
    """Gemini refuses a conversation in which one is missing, and it would be known only after the task began."""
    result = outcome(json.dumps({"model": "gemini-2.5-flash", "messages": messages}).encode())
    assert (result.param if isinstance(result, RequestRefused) else None) == param
