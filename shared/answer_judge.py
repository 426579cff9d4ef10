"""Validate answers against their schemas, in a child process if that may be slow, and decide what follows.

An answer and its schema both come from outside: a check that is not sure to be quick runs in a child process, with
limits on its time and memory. What was judged is remembered, because each decision looks at all rounds again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import cast

from cachetools import LRUCache
from pydantic import JsonValue

from shared.cloud.telemetry import log
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import Step, next_step
from shared.domain.checks.structure import Structured, read_quickly, too_costly
from shared.off_loop import off_loop
from shared.sandbox import Sandbox, SandboxError

_SECONDS = 20.0
_REMEMBERED = 8
"""Answers whose result is remembered; the largest have a few MiB."""
_IN_SANDBOX = "shared.domain.checks.structure:read_in_sandbox"


class AnswerJudge:
    """Belongs to one event loop, as its sandbox does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._remembered: LRUCache[bytes, Structured] = LRUCache(_REMEMBERED)

    async def next_step(
        self,
        responses: Sequence[Json],
        schema: dict[str, JsonValue] | None,
        *,
        continuations: int,
        repairs: int = 1,
    ) -> Step:
        """Return the result of `shared.domain.checks.rounds.next_step`, without blocking the event loop."""
        judged: dict[str, Structured] = {}

        def remembered(text: str, _schema: dict[str, JsonValue]) -> Structured:
            if text not in judged:
                raise _UnjudgedError(text)
            return judged[text]

        while True:
            try:
                return await off_loop(
                    next_step, responses, schema, continuations=continuations, repairs=repairs, judge=remembered
                )
            except _UnjudgedError as missing:
                judged[missing.text] = await self.read(missing.text, cast(dict[str, JsonValue], schema))

    async def read(self, text: str, schema: dict[str, JsonValue]) -> Structured:
        """Return the answer's value and its errors, as `shared.domain.checks.structure.read` does."""
        key = hashlib.sha256(json.dumps([text, schema]).encode()).digest()
        structured = self._remembered.get(key)
        if structured is None:
            structured = await off_loop(read_quickly, text, schema) or await self._judge_apart(text, schema)
            self._remembered[key] = structured
        return structured

    async def _judge_apart(self, text: str, schema: dict[str, JsonValue]) -> Structured:
        # Halves of surrogate pairs cannot be sent to the child; what is read replaces them likewise.
        payload = text.encode("utf-8", "replace")
        try:
            reply = await self._sandbox.run(_IN_SANDBOX, {"schema": schema}, payload=payload, seconds=_SECONDS)
        except SandboxError as error:
            log("WARNING", "answer_check_stopped", str(error), characters=len(text))
            return too_costly(str(error))
        value, problems, remarks = reply.value
        return Structured(value, tuple(problems), tuple(remarks))


class _UnjudgedError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__("an answer was not judged yet")
        self.text = text
