"""Filters of subscriptions (https://cloud.google.com/pubsub/docs/subscription-message-filter).

expression = term { ("AND" term)… | ("OR" term)… }        AND and OR are not mixed without parentheses
term       = ("NOT" | "-") term | "(" expression ")" | `attributes:key` | `attributes.key = "v"` | `!= "v"`
           | hasPrefix(attributes.key, "v")
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from local.standins.grpc_refusals import Refusal, invalid

Matches = Callable[[Mapping[str, str]], bool]

_LONGEST = 256
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|!=|[()=:,.-]|[A-Za-z_][A-Za-z0-9_-]*)')


def parse_filter(text: str) -> Matches:
    """Return whether a message's attributes match. Raises Refusal for what is not a filter."""
    if not text.strip():
        return lambda attributes: True
    if len(text.encode()) > _LONGEST:
        raise invalid(f"The filter is longer than {_LONGEST} bytes.")
    parser = _Parser(text)
    matches = parser.expression()
    parser.expect_end()
    return matches


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, at = text, list[str](), 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._wrong()
            self._tokens.append(match[1])
            at = match.end()
        self._tokens.reverse()

    def expression(self) -> Matches:
        terms = [self._term()]
        joint = self._peek()
        if joint not in ("AND", "OR"):
            return terms[0]
        while self._peek() == joint:
            self._take()
            terms.append(self._term())
        if self._peek() in ("AND", "OR"):
            raise self._wrong()
        every = all if joint == "AND" else any
        return lambda attributes: every(term(attributes) for term in terms)

    def expect_end(self) -> None:
        if self._tokens:
            raise self._wrong()

    def _term(self) -> Matches:
        match self._take():
            case "NOT" | "-":
                inner = self._term()
                return lambda attributes: not inner(attributes)
            case "(":
                inner = self.expression()
                self._take(")")
                return inner
            case "hasPrefix":
                self._take("(")
                self._take("attributes")
                self._take(".")
                key = self._name()
                self._take(",")
                prefix = self._string()
                self._take(")")
                return lambda attributes: key in attributes and attributes[key].startswith(prefix)
            case "attributes":
                return self._comparison()
            case _:
                raise self._wrong()

    def _comparison(self) -> Matches:
        if self._take() == ":":
            key = self._name()
            return lambda attributes: key in attributes
        key = self._name()
        operator, value = self._take(), self._string()
        if operator == "=":
            return lambda attributes: attributes.get(key) == value
        if operator == "!=":
            # As the service has it: a message without the attribute does not match.
            return lambda attributes: key in attributes and attributes[key] != value
        raise self._wrong()

    def _name(self) -> str:
        token = self._take()
        return json.loads(token) if token.startswith('"') else token

    def _string(self) -> str:
        token = self._take()
        if not token.startswith('"'):
            raise self._wrong()
        text: str = json.loads(token)
        return text

    def _peek(self) -> str | None:
        return self._tokens[-1] if self._tokens else None

    def _take(self, expected: str | None = None) -> str:
        if not self._tokens or (expected is not None and self._tokens[-1] != expected):
            raise self._wrong()
        return self._tokens.pop()

    def _wrong(self) -> Refusal:
        return invalid(f"Invalid filter: {self._text}")
