"""The metadata filter of File Search: `key = "value"`, joined by AND, OR and parentheses (google.aip.dev/160)."""

from __future__ import annotations

import re
from typing import Any

from local.standins.gemini.errors import invalid

_TOKEN = re.compile(r'\s*(?:(?P<word>[A-Za-z_]\w*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>!=|=|\(|\)))')
_MAX_DEPTH = 20


def matches(filter_text: str, metadata: list[dict[str, Any]]) -> bool:
    """Return whether a document's metadata passes the filter; an empty one lets everything pass. Raises ApiError."""
    if not filter_text.strip():
        return True
    values = {entry["key"]: entry.get("stringValue", entry.get("numericValue")) for entry in metadata}
    parser = _Parser(_tokens(filter_text), values)
    passes = parser.alternatives(0)
    parser.expect_end()
    return passes


def _tokens(text: str) -> list[str]:
    tokens, at, text = [], 0, text.strip()
    while at < len(text):
        if (match := _TOKEN.match(text, at)) is None:
            raise _malformed(text[at:])
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], values: dict[str, Any]) -> None:
        self._tokens, self._values = tokens, values

    def alternatives(self, depth: int) -> bool:
        passes = self._conditions(depth)
        while self._take("OR"):
            passes = self._conditions(depth) or passes
        return passes

    def _conditions(self, depth: int) -> bool:
        passes = self._condition(depth)
        while self._take("AND"):
            passes = self._condition(depth) and passes
        return passes

    def _condition(self, depth: int) -> bool:
        if self._take("("):
            if depth > _MAX_DEPTH:
                raise _malformed("(")
            passes = self.alternatives(depth + 1)
            if not self._take(")"):
                raise _malformed(" ".join(self._tokens))
            return passes
        if len(self._tokens) < 3 or self._tokens[1] not in ("=", "!=") or not self._tokens[2].startswith('"'):
            raise _malformed(" ".join(self._tokens))
        key, sign, text = self._tokens[:3]
        del self._tokens[:3]
        return (self._values.get(key) == re.sub(r"\\(.)", r"\1", text[1:-1])) == (sign == "=")

    def _take(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        del self._tokens[0]
        return True

    def expect_end(self) -> None:
        if self._tokens:
            raise _malformed(" ".join(self._tokens))


def _malformed(rest: str) -> Exception:
    return invalid(f"Invalid metadata_filter at: {rest[:80]}")
