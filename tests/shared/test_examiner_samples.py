"""Every sample, good and ugly, is found to be what it is, as long as it is, and whole or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.media import HEAD, MediaType, check, sniff
from tests.shared.examiner_bench import Bench, Counted, bench

SAMPLES = Path(__file__).parents[1] / "samples"
UGLY = SAMPLES / "ugly"
EXPECTED: dict[str, dict[str, object]] = json.loads((UGLY / "expected.json").read_text())
GOOD: dict[str, dict[str, object]] = {
    "speech.wav": {"mime": "audio/wav", "duration": 7.99},
    "speech.flac": {"mime": "audio/flac", "duration": 7.99},
    "speech.mp3": {"mime": "audio/mp3", "duration": 7.99},
    "speech.ogg": {"mime": "audio/ogg", "duration": 7.99},
    "speech.m4a": {"mime": "audio/mp4", "duration": 7.99, "has_video": False},
    "report.pdf": {"mime": "application/pdf", "pages": 2},
    "picture.png": {"mime": "image/png", "width": 640, "height": 480},
    "photo.jpg": {"mime": "image/jpeg", "width": 800, "height": 600},
    "clip.mp4": {"mime": "video/mp4", "duration": 3.0, "width": 320, "has_audio": True, "has_video": True},
    "notes.txt": {"mime": "text/plain"},
}


@pytest.fixture(scope="module")
def examiner() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_ugly_file_meets_its_expected_outcome(examiner: Bench, name: str) -> None:
    expected = EXPECTED[name]
    facts, refusal = examiner.judge((UGLY / name).read_bytes(), f"inbox/{name}")
    if expected["outcome"] in ("failed", "split"):
        assert refusal is not None
        assert refusal.code == expected["code"], refusal.message
        assert str(expected["says"]) in refusal.message
        return
    assert refusal is None, refusal
    assert facts is not None
    assert facts.media_type.mime == expected["mime"]
    for key, value in dict(expected.get("facts") or {}).items():  # type: ignore[call-overload]
        assert getattr(facts, key) == pytest.approx(value, abs=0.06), key


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_file_is_known_and_measured_in_one_read(examiner: Bench, name: str) -> None:
    data, expected = (SAMPLES / name).read_bytes(), dict(GOOD[name])
    source = Counted(data)
    kind = sniff(data[:HEAD], name)
    assert isinstance(kind, MediaType)

    facts = examiner.examine(source, kind)

    check(facts)
    assert facts.warnings == ()
    assert facts.media_type.mime == expected.pop("mime")
    for key, value in expected.items():
        assert getattr(facts, key) == pytest.approx(value, abs=0.01), key
    assert len(source.reads) <= 1


@pytest.mark.parametrize(
    "name", ["speech.wav", "speech.flac", "speech.ogg", "report.pdf", "picture.png", "photo.jpg", "clip.mp4"]
)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_cut_anywhere_is_found_to_be_damaged(examiner: Bench, name: str, share: float) -> None:
    data = (SAMPLES / name).read_bytes()
    kind = sniff(data[:HEAD], name)
    assert isinstance(kind, MediaType)

    facts = examiner.examine(data[: int(len(data) * share)], kind)

    assert facts.problem is not None
    assert "truncated" in facts.problem or "missing" in facts.problem


@pytest.mark.parametrize("name", ["truncated.mp3", "claims-ten-hours.mp3"])
def test_an_mp3_that_is_shorter_than_its_index_is_taken_with_a_warning(examiner: Bench, name: str) -> None:
    facts, refusal = examiner.judge((UGLY / name).read_bytes(), name)
    assert refusal is None
    assert facts is not None
    assert "seems to have been cut" in " ".join(facts.warnings)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("declares-encrypt-word.pdf", "was repaired"),
        ("wrong-startxref.pdf", "was repaired"),
        ("no-end-mark.pdf", "%%EOF"),
        ("junk-behind.pdf", "does not belong to it"),
    ],
)
def test_a_pdf_that_had_to_be_repaired_says_so(examiner: Bench, name: str, says: str) -> None:
    facts, _ = examiner.judge((UGLY / name).read_bytes(), name)
    assert facts is not None
    assert says in " ".join(facts.warnings)


@pytest.mark.parametrize("name", ["owner-only-r6-aes.pdf", "objstm-indirect-length.pdf", "packed.pdf", "appended.pdf"])
def test_a_sound_pdf_is_taken_without_a_warning(examiner: Bench, name: str) -> None:
    facts, _ = examiner.judge((UGLY / name).read_bytes(), name)
    assert facts is not None
    assert facts.warnings == ()


def test_a_pdf_without_pages_is_not_called_encrypted_because_another_one_was(examiner: Bench) -> None:
    for name, says in (("user-r6.pdf", "encrypted"), ("zero-pages.pdf", "no pages")):
        _, refusal = examiner.judge((UGLY / name).read_bytes(), name)
        assert refusal is not None
        assert says in refusal.message


def test_expected_lists_every_ugly_file() -> None:
    assert {file.name for file in UGLY.iterdir()} - {"make.py", "expected.json"} == EXPECTED.keys()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("png-called.mp3", "is named like an MP3 recording, but is a PNG image"),
        ("pdf-called.png", "is named like a PNG image, but is a PDF document"),
        ("not-found-called.mp3", "is named like an MP3 recording, but is an HTML page"),
    ],
)
def test_a_file_under_a_false_name_is_sent_as_what_it_is_with_a_note(name: str, says: str) -> None:
    found = sniff((UGLY / name).read_bytes()[:HEAD], name)
    assert isinstance(found, MediaType)
    assert found.mismatch is not None
    assert says in found.mismatch
