"""No answer makes its own judging slow: the time grows with its length, whatever it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.domain.answer import response as answer
from shared.domain.answer.chunks import Gathered
from shared.domain.answer.code_runs import as_markdown
from shared.domain.answer.completion import completion
from shared.domain.answer.response import Json
from shared.domain.answer.transcript import segments_in_text
from shared.domain.checks.continuation import join_without_overlap
from shared.domain.checks.rounds import next_step
from shared.domain.checks.structure import read
from shared.domain.checks.transcript_coverage import transcript_warnings
from shared.domain.outputs import tables
from shared.domain.outputs.markup import fence_content, unfenced

pytestmark = pytest.mark.long

_SIZE = 30_000
_MAX_SECONDS = 0.75
"""What takes time in proportion needs a tenth of it; at three nanoseconds a step, what takes the square needs three."""
UNITS = {
    "blanks": " ", "lines": "\n", "blank lines": " \n", "tabs": "\t", "ticks": "`", "fences": "```\n",
    "open fences": "```a\n", "digits": "1", "colons": ":", "times": "00:", "time lines": "00:01\n", "dashes": "-",
    "quotes": '"', "backslashes": "\\", "brackets": "[", "braces": '{"a":', "letters": "a", "words": "a b ",
    "formulas": ";+a", "tags": "<b>", "less": "<", "dots": "…", "chinese": "谢", "commas": ",", "zero widths": "\u200b",
}  # fmt: skip
TEXTS = {name: (unit * _SIZE)[:_SIZE] for name, unit in UNITS.items()}
TEXTS |= {
    "a fence of blanks": "```" + " " * _SIZE + "!",
    "a fence of ticks": "`" * _SIZE + "!",
    "a fence of words": "```" + "a" * _SIZE + "!",
    "a time and blanks": "00:01" + " " * _SIZE + "!",
    "a time and dashes": "00:01 " + "-" * _SIZE + "!",
    "an item and blanks": "- " + " " * _SIZE + "!",
}


def response(text: str, reason: str = "MAX_TOKENS") -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}]}


def _told(text: str) -> None:
    gathered = Gathered(reasoning=True)
    for start in range(0, len(text), 100):
        gathered.add(response(text[start : start + 100]))
    list(gathered.take())


DONE: dict[str, Callable[[str], object]] = {
    "read": lambda text: read(text, {"type": "object"}),
    "next step": lambda text: next_step([response(text)], None, continuations=1),
    "next step of two": lambda text: next_step([response(text), response(text)], None, continuations=1),
    "structured step": lambda text: next_step([response(text, "STOP")], {"type": "array"}, continuations=1),
    "join": lambda text: join_without_overlap(text, text),
    "warnings": lambda text: transcript_warnings(text, None, 100.0),
    "segments": segments_in_text,
    "completion": lambda text: completion(response(text), task_id="x", created=1, model="m"),
    "chunks": _told,
    "pieces": lambda text: answer.join([response(text[at : at + 50]) for at in range(0, len(text), 50)]),
    "cell": tables.neutralised,
    "unfenced": unfenced,
    "in fence": lambda text: fence_content(f"```json\n{text}\n```", "json"),
    "code": lambda text: as_markdown({"code_execution": [{"language": "python", "code": text}]}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_is_judged_in_time_that_grows_with_its_length(name: str) -> None:
    for what, done in DONE.items():
        began = time.process_time()
        done(TEXTS[name])
        assert time.process_time() - began < _MAX_SECONDS, what
