"""Values for a field of a schema, derived from its name and the request."""

from __future__ import annotations

import re

from local.standins.gemini.facts import MARK, describe, first_recording, question_in_short, timestamp
from local.standins.gemini.prompt import Item, Prompt

_STOP_WORDS = frozenset(
    [
        "about",
        "after",
        "again",
        "could",
        "please",
        "should",
        "there",
        "these",
        "this",
        "those",
        "what",
        "when",
        "where",
        "which",
        "with",
    ]
)
_MAX_WORDS = 5


class FieldValues:
    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._item: Item | None = prompt.items[0] if prompt.items else None
        self._recording = first_recording(prompt)

    def text(self, name: str, description: str) -> str:
        """Return the value of a string field; free text is marked as the stand-in's."""
        fact = self._fact(name.lower())
        if fact is not None:
            return fact
        about = f" {name}" if name else ""
        if self._item is not None:
            return f"{MARK}{about}: {describe(self._prompt, self._item)}"
        question = question_in_short(self._prompt) or description
        return f"{MARK}{about}: for “{question}”"

    def number(self, name: str) -> float | None:
        media = self._item.media if self._item else None
        name = name.lower()
        if name and (
            match := re.search(rf"\b{re.escape(name)}\b\D{{0,12}}(-?\d+(?:\.\d+)?)", self._prompt.question.lower())
        ):
            return float(match.group(1))
        if media is None:
            return _number_in(self._prompt.question) if re.search(r"amount|number|value|total|count", name) else None
        for pattern, value in (
            (r"page", media.pages),
            (r"(?:duration|length).*(?:ms|milli)", media.duration * 1000),
            (r"(?:duration|length).*min", media.duration / 60),
            (r"duration|length|seconds", media.duration),
            (r"width", media.width),
            (r"height", media.height),
            (r"sample.?rate|hertz|\bhz\b", media.sample_rate),
            (r"channel", media.channels),
            (r"size|bytes", media.size),
            (r"character", media.characters),
            (r"line", media.lines),
            (r"word", len(media.text.split())),
            (r"confidence|score|probability", 0.5),
        ):
            if value and re.search(pattern, name):
                return float(value)
        return None

    def boolean(self, name: str) -> bool:
        name = name.lower()
        if self._item is not None and re.search(r"audio|sound|speech", name):
            return self._item.media.has_audio
        if self._item is not None and "text" in name:
            return bool(self._item.media.text)
        return len(name) % 2 == 0

    def words(self, name: str) -> list[object] | None:
        """Return the values of a list of strings, or None if its name suggests none."""
        name = name.lower()
        if re.search(r"colou?r", name) and self._item is not None and self._item.media.colours:
            return list(self._item.media.colours)
        if re.search(r"tag|keyword|topic|label", name):
            text = f"{self._item.media.text if self._item else ''} {self._prompt.question}".lower()
            words = [word for word in re.findall(r"[^\W\d_]{4,}", text) if word not in _STOP_WORDS]
            return list(dict.fromkeys(words))[:_MAX_WORDS] or None
        return None

    def choose_option(self, options: list[object]) -> object:
        """Return the option of an enum that the request mentions, else the first."""
        text = f"{self._prompt.question} {self._item.media.text if self._item else ''}".lower()
        kind = self._item.media.kind if self._item else None
        for option in options:
            if str(option).lower() == kind:
                return option
        mentioned = [option for option in options if re.search(rf"\b{re.escape(str(option).lower())}\b", text)]
        return mentioned[0] if len(mentioned) == 1 else options[0]

    def _fact(self, name: str) -> str | None:
        item = self._item
        if re.search(r"^(?:language|lang)$", name):
            return "en"
        if re.search(r"question|prompt|query", name):
            return question_in_short(self._prompt) or None
        if item is None:
            return None
        media = item.media
        if re.search(r"^title$|file.?name|^name$", name):
            return (item.name or media.text.split("\n")[0][:80].strip()) or None
        if re.search(r"mime", name):
            return media.mime_type
        if re.search(r"^format$|container|file.?type", name):
            return media.container
        if re.search(r"duration|length", name) and self._recording is not None:
            return timestamp(self._recording.media.duration)
        if re.search(r"colou?r", name) and media.colours:
            return media.colours[0]
        if re.search(r"dimension|resolution", name) and media.width:
            return f"{media.width}x{media.height}"
        return None


def _number_in(text: str) -> float | None:
    match = re.search(r"-?\d+(?:\.\d+)?", text)
    return float(match.group()) if match else None
