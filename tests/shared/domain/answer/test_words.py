"""Transcripts made of timed words: every word once, segments by speaker, sentence and pause."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer.response import join
from shared.domain.answer.words import join_words, write_transcript

WORDS = st.lists(
    st.fixed_dictionaries(
        {
            "word": st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12),
            "startOffset": st.integers(0, 10_000).map(lambda at: f"{at / 10:.1f}s"),
            "endOffset": st.one_of(st.none(), st.text(max_size=4), st.integers(0, 10_000).map(lambda at: f"{at}s")),
        }
    ),
    max_size=20,
)


def spoken(words: list[dict[str, Any]], speaker: str = "spk_1", **more: Any) -> dict[str, Any]:
    text = "".join(f"{word['word']} " for word in words)
    return {"text": text, "audioTranscription": {"speakerLabel": speaker, "languageCode": "en", "words": words, **more}}


def answered(*parts: dict[str, Any], reason: str = "STOP") -> dict[str, Any]:
    return {"candidates": [{"index": 0, "finishReason": reason, "content": {"role": "model", "parts": list(parts)}}]}


def word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "startOffset": f"{start}s", "endOffset": f"{end}s"}


def value_of(response: Any) -> Any:
    [part] = response["candidates"][0]["content"]["parts"]
    return json.loads(part["text"])


def test_a_speaker_a_sentence_and_a_pause_begin_a_segment() -> None:
    first = spoken([word("Hello,", 0.1, 0.4), word("Ada.", 0.5, 0.9), word("Well", 1.0, 1.2), word("then", 4, 4.2)])
    value = value_of(write_transcript(answered(first, spoken([word("Yes", 4.3, 4.5)], "spk_2"))))
    assert [(entry["speaker"], entry["text"], entry["start"], entry["end"]) for entry in value["segments"]] == [
        ("Speaker 1", "Hello, Ada.", 0.1, 0.9),
        ("Speaker 1", "Well", 1.0, 1.2),
        ("Speaker 1", "then", 4.0, 4.2),
        ("Speaker 2", "Yes", 4.3, 4.5),
    ]
    assert value["language"] == "en"


@given(WORDS, WORDS)
def test_no_word_is_lost_and_none_ends_before_it_starts(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    value = value_of(write_transcript(answered(spoken(first), spoken(second, "spk_2"))))
    words = [entry for segment in value["segments"] for entry in segment["words"]]
    assert [entry["word"] for entry in words] == [entry["word"] for entry in (*first, *second)]
    assert all(entry["start"] <= entry["end"] for entry in words)


def test_pieces_of_a_stream_keep_the_words_that_they_came_with() -> None:
    pieces = [answered(spoken([word("One", 0, 0.5)])), answered(spoken([word("two.", 0.6, 1)]))]
    assert value_of(write_transcript(join(pieces)))["segments"][0]["text"] == "One two."


def test_silence_is_a_transcript_without_segments_and_what_broke_off_is_none() -> None:
    assert value_of(write_transcript(answered()))["segments"] == []
    others: list[dict[str, Any]] = [answered(reason="SAFETY"), answered({"text": "Only text."}), {}, {"candidates": []}]
    for untouched in others:
        assert write_transcript(untouched) == untouched


def test_languages_without_blanks_between_words_are_written_without_them() -> None:
    assert join_words(["今日", "は", "Gemini", "です。"]) == "今日は Gemini です。"
    assert join_words(["I", "said", "so."]) == "I said so."
