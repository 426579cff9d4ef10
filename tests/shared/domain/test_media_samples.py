"""Every sample, good and ugly, meets the outcome that expected.json promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.domain.media import HEAD, MAX_READ, InMemory, Refusal, check, probe, sniff

SAMPLES = Path(__file__).parents[2] / "samples"
UGLY = SAMPLES / "ugly"
EXPECTED: dict[str, dict[str, object]] = json.loads((UGLY / "expected.json").read_text())
GOOD: dict[str, dict[str, object]] = {
    "speech.wav": {"mime": "audio/wav", "duration": 7.99, "codec": "pcm", "sample_rate": 16_000, "channels": 1},
    "speech.flac": {"mime": "audio/flac", "duration": 7.99},
    "speech.mp3": {"mime": "audio/mp3", "duration": 8.1},
    "speech.ogg": {"mime": "audio/ogg", "duration": 7.99, "codec": "vorbis"},
    "speech.m4a": {"mime": "audio/mp4", "duration": 8.06, "has_video": False},
    "report.pdf": {"mime": "application/pdf", "pages": 2},
    "picture.png": {"mime": "image/png", "width": 640, "height": 480},
    "photo.jpg": {"mime": "image/jpeg", "width": 800, "height": 600},
    "clip.mp4": {"mime": "video/mp4", "duration": 3.02, "width": 320, "has_audio": True, "has_video": True},
    "notes.txt": {"mime": "text/plain"},
}


class Counted(InMemory):
    """Notes every read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[int] = []

    def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        self.reads.append(length)
        return super().read(offset, length)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_ugly_file_meets_its_expected_outcome(name: str) -> None:
    data, expected = (UGLY / name).read_bytes(), EXPECTED[name]
    source = Counted(data)

    found = sniff(data[:HEAD], f"inbox/{name}", "application/octet-stream")
    facts = None if isinstance(found, Refusal) else probe(source, found, data[:HEAD])
    refusal = found if isinstance(found, Refusal) else check(facts) if facts else None

    if expected["outcome"] == "failed":
        assert refusal is not None
        assert refusal.code == expected["code"], refusal.message
        assert str(expected["says"]) in refusal.message
    else:
        assert refusal is None, refusal
        assert facts is not None
        assert facts.media_type.mime == expected["mime"]
        for key, value in dict(expected.get("facts") or {}).items():  # type: ignore[call-overload]
            assert getattr(facts, key) == pytest.approx(value, abs=0.06), key
    assert len(source.reads) <= 16
    assert max(source.reads, default=0) <= MAX_READ


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_file_is_known_and_measured_in_two_reads(name: str) -> None:
    data, expected = (SAMPLES / name).read_bytes(), dict(GOOD[name])
    source = Counted(data)

    found = sniff(data[:HEAD], name)
    assert not isinstance(found, Refusal)
    facts = probe(source, found, data[:HEAD])

    assert check(facts) is None
    assert facts.warnings == ()
    assert facts.media_type.mime == expected.pop("mime")
    for key, value in expected.items():
        assert getattr(facts, key) == pytest.approx(value, abs=0.01), key
    assert len(source.reads) <= 2


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
    assert not isinstance(found, Refusal)
    assert found.mismatch is not None
    assert says in found.mismatch
