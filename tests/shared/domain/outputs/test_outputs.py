"""What is published of an answer: readable, in the right form, and harmless to open."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.domain.answer.transcript import Segment, segments, segments_in_text
from shared.domain.outputs import Source, render
from shared.domain.outputs.markup import unfenced
from shared.domain.outputs.subtitles import cues, srt, vtt
from shared.domain.recipe.definition import RecipeQuestion
from tests.shared.domain.outputs.rendering import made, question

TIMED: JsonValue = {
    "language": "en",
    "segments": [
        {"start": "00:01", "end": "00:04", "speaker": "Ann", "text": "Good morning."},
        {"start": "00:04", "end": "00:04", "speaker": "Ann", "text": "  Is it\n\n on?  "},
        {"start": "01:00:09", "end": None, "speaker": "Speaker <2> & co", "text": "a --> b <i>"},
    ],
}


def test_subrip_has_numbered_cues_with_commas_and_names_a_speaker_once() -> None:
    assert made("srt", value=TIMED) == (
        "1\n00:00:01,000 --> 00:00:04,000\nAnn: Good morning.\n\n"
        "2\n00:00:04,000 --> 01:00:09,000\nIs it\non?\n\n"
        "3\n01:00:09,000 --> 01:00:12,000\nSpeaker <2> & co: a → b <i>\n"
    )


def test_webvtt_escapes_what_would_be_markup_and_has_no_empty_line_within_a_cue() -> None:
    assert made("vtt", value=TIMED) == (
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:04.000\n<v Ann>Good morning.\n\n"
        "00:00:04.000 --> 01:00:09.000\n<v Ann>Is it\non?\n\n"
        "01:00:09.000 --> 01:00:12.000\n<v Speaker &lt;2&gt; &amp; co>a --&gt; b &lt;i&gt;\n"
    )


@pytest.mark.parametrize("speaker", ["Ann\n\nBell", "Ann\r\nBell", " Ann\u2028Bell\n"])
def test_a_name_of_several_lines_does_not_end_its_cue(speaker: str) -> None:
    value: JsonValue = [{"start": "00:01", "end": "00:04", "speaker": speaker, "text": "Hello."}]
    assert made("srt", value=value) == "1\n00:00:01,000 --> 00:00:04,000\nAnn Bell: Hello.\n"
    assert made("vtt", value=value) == "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\n<v Ann Bell>Hello.\n"
    assert made("txt", value=value) == "[00:01] Ann Bell: Hello.\n"


def test_half_a_character_costs_no_file() -> None:
    value: JsonValue = [{"start": "00:01", "end": "00:04", "text": "Tea \ud83c"}]
    rendered = render(question("txt", "html", "json", "csv", "srt", "vtt"), "Tea \ud83c", value, Source("a.mp3"))
    assert rendered.warnings == ()
    assert all(b"Tea ?" in file.data for file in rendered.files.values())


def test_a_timed_transcript_reads_as_lines_with_times_and_speakers() -> None:
    assert made("txt", text="{…}", value=TIMED).splitlines()[:2] == [
        "[00:01] Ann: Good morning.",
        "[00:04] Ann: Is it on?",
    ]


def test_cues_come_in_order_and_each_ends_after_it_starts() -> None:
    messy = [Segment(9, 3, "c"), Segment(1, None, "a"), Segment(1, 1, "b"), Segment(5, 6, "")]
    assert [(start, end, cue.text) for start, end, cue in cues(messy)] == [
        (1000, 1500, "a"),
        (1000, 9000, "b"),
        (9000, 12000, "c"),
    ]
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"


def test_a_time_that_is_none_is_said_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"segments\[0\]: '7 past'"):
        segments([{"start": "7 past", "text": "x"}])


def test_lines_of_a_plain_transcript_tell_their_times() -> None:
    text = "[00:05] Hello\n(1:02:03) there\n00:07 - 00:09: you\n- **no time**\nAt 10:00 we met"
    assert [(segment.start, segment.end, segment.text) for segment in segments_in_text(text)] == [
        (5, None, "Hello"),
        (3723, None, "there"),
        (7, 9, "you"),
    ]


def test_the_fence_around_a_whole_document_is_taken_off_and_inner_ones_stay() -> None:
    assert unfenced("```markdown\n# A\n\nb\n```") == "# A\n\nb"
    assert unfenced("# A\n```\ncode\n```") == "# A\n```\ncode\n```"
    assert unfenced("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```"
    assert unfenced("```md\r\n# A\r\n```\r\n") == "# A\r"
    assert unfenced("```markdown\n# A\n```python\nx\n```\nb\n```") == "# A\n```python\nx\n```\nb"
    assert unfenced("```markdown\n# A, cut o") == "# A, cut o"
    assert unfenced("```python\nx, cut o") == "```python\nx, cut o"
    assert unfenced("`" * 300_000) == "`" * 300_000
    assert made("md", text="```md\n# A\n```") == "# A"
    assert made("txt", text="```\nA\n```") == "```\nA\n```"


def test_several_questions_publish_under_their_own_names() -> None:
    question = RecipeQuestion(name="points", prompt="p", response_schema=None, outputs=("md", "txt"))
    assert list(render(question, "x", None, Source("a.mp3")).files) == ["points.md", "points.txt"]


def test_subtitles_of_an_answer_without_segments_are_a_warning() -> None:
    rendered = render(question("srt"), "{}", {}, Source("a.mp3"))
    assert rendered.files == {}
    assert "no segments" in rendered.warnings[0]
