"""Of a text in any script and encoding, no fewer tokens are reserved than are billed, and of words not many more."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.standins.gemini.probe_text import plain
from local.standins.gemini.tokens import of_characters
from shared.domain.media import Facts, InMemory, MediaType, identify, in_utf_8, media_type
from shared.domain.media.utf8_conversion import WHOLE, EncodingChecker
from shared.domain.models import tokens
from shared.domain.models.catalogue import default_model

MANY = settings(max_examples=200, deadline=10_000, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SCRIPTS = {
    "latin": "The quick brown fox jumps over the lazy dog. ",
    "digits": "3.14159 26535 89793; ",
    "cyrillic": "Съешь ещё этих мягких французских булок. ",
    "thai": "นายสังฆภัณฑ์ เฮงพิทักษ์ฝั่ง ",
    "chinese": "天地玄黃宇宙洪荒。",
    "japanese": "いろはにほへと散りぬるを。",
    "korean": "키스의 고유조건은 입술끼리 만나야 하고 ",
    "hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा ",
    "emoji": "🙂🎉👩‍👩‍👧‍👦 ",
    "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo= ",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "shift_jis", "gb18030", "big5", "euc_kr", "cp1251")


def reserved(data: bytes) -> int | None:
    """The tokens that are reserved for a file; None if it is refused."""
    kind = identify(InMemory(data), "a.txt")
    if not isinstance(kind, MediaType) or kind.family != "text":
        return None
    return tokens.most(Facts(media_type=kind, size=len(data)), default_model())


def billed(data: bytes) -> int:
    kind = identify(InMemory(data), "a.txt")
    assert isinstance(kind, MediaType)
    sent = in_utf_8(data, "utf-8" if kind.encoding in (None, "unknown") else kind.encoding)
    media = plain(io.BytesIO(sent), "text/plain")
    return of_characters(media.characters, media.dense)


@MANY
@given(st.lists(st.sampled_from(sorted(SCRIPTS)), min_size=1, max_size=60), st.sampled_from(ENCODINGS), st.binary())
def test_no_fewer_tokens_are_reserved_than_billed(scripts: list[str], encoding: str, end: bytes) -> None:
    data = "".join(SCRIPTS[script] for script in scripts).encode(encoding, "ignore") + end[:3]
    most = reserved(data) if data else None
    if most is not None:
        assert most >= billed(data)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("times", [1, 20_000])
def test_of_a_whole_text_each_character_is_looked_at(script: str, times: int) -> None:
    text = SCRIPTS[script] * times
    most = reserved(text.encode())
    assert most is not None
    assert billed(text.encode()) <= most <= len(text)
    if script == "latin":
        assert most < 0.35 * len(text)


def test_a_stray_byte_in_a_large_text_does_not_make_each_letter_a_token() -> None:
    text = (SCRIPTS["latin"] * 20_000).encode()
    most = reserved(text[:600_000] + b"\xff" + text[600_000:])
    assert most is not None
    assert billed(text) <= most < 0.35 * len(text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "iso2022_jp"])
def test_letters_that_may_be_parts_of_other_characters_count_a_token_each(encoding: str) -> None:
    checker = EncodingChecker(encoding)
    for block in ("慡慢".encode("utf-16-le"), b"\x00\xdc\x00\xdc\xff", "慡慢".encode("utf-16-le")):
        checker.feed(block)
    assert checker.most_tokens(13) >= 9


class Repeated:
    """A large text, of which only what is read is made."""

    def __init__(self, text: bytes, size: int) -> None:
        self._text, self.size, self.bytes_read = text, size, 0

    def read(self, offset: int, length: int) -> bytes:
        self.bytes_read += length
        at = offset % len(self._text)
        return (self._text * (length // len(self._text) + 2))[at : at + length]


@pytest.mark.parametrize("script", ["latin", "chinese"])
def test_of_a_large_text_what_is_not_read_anyway_counts_a_token_a_byte(script: str) -> None:
    source = Repeated(SCRIPTS[script].encode(), 100 << 20)
    kind = identify(source, "a.txt")
    assert isinstance(kind, MediaType)
    assert source.bytes_read <= WHOLE + (64 << 10)
    most = tokens.most(Facts(media_type=kind, size=source.size), default_model())
    assert source.size - WHOLE < most < source.size


def test_a_text_that_was_not_looked_at_counts_a_token_a_byte_and_one_of_unknown_size_the_window() -> None:
    model = default_model()
    unseen = Facts(media_type=media_type("text/plain"), size=1000)
    assert tokens.most(unseen, model) == 1000
    assert tokens.most(unseen.model_copy(update={"size": 0}), model) == model.input_tokens
