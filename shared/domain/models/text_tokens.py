"""Count how many tokens a text has at most, block by block, whatever its language."""

from __future__ import annotations

import math
import string

CHARACTERS_PER_TOKEN = 4
"""Guide "Understand and count tokens"."""

_LETTERS_OF_WORDS = f"{string.ascii_lowercase}{string.whitespace}".encode()


class TextTokens:
    """The guide's four characters a token are English words. Digits, signs, and letters of most other scripts take up
    to one token each, and so do nearly all characters of identifiers and of base64, where capitals are frequent.
    """

    def __init__(self) -> None:
        self._in_words = self._dense = 0

    def add(self, text: str) -> None:
        self._add(text.encode("utf-8", "surrogatepass"), len(text))

    def add_bytes(self, data: bytes) -> None:
        """Add bytes that cannot be decoded, of an encoding in which no characters are made up of ASCII's letters."""
        self._add(data, len(data))

    def _add(self, data: bytes, characters: int) -> None:
        in_words = len(data) - len(data.translate(None, _LETTERS_OF_WORDS))
        self._in_words += in_words
        self._dense += characters - in_words

    def add_unread(self, size: int) -> None:
        """Add bytes of which nothing is known: in no encoding are there more characters."""
        self._dense += size

    @property
    def most(self) -> int:
        return self._dense + math.ceil(self._in_words / CHARACTERS_PER_TOKEN)


def most_of_text(*texts: str) -> int:
    """Return about how many tokens the texts have at most together."""
    tokens = TextTokens()
    for text in texts:
        tokens.add(text)
    return tokens.most
