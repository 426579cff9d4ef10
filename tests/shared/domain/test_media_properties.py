"""Whatever bytes arrive, sniffing and probing come to an end, raise nothing and read little."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.media import HEAD, KINDS, MAX_READ, Facts, InMemory, MediaType, check, media_type, probe, sniff
from shared.domain.media.kinds import Format

SAMPLES = Path(__file__).parents[2] / "samples"
SMALL = sorted(
    file
    for file in [*SAMPLES.iterdir(), *(SAMPLES / "ugly").iterdir()]
    if file.is_file() and 0 < file.stat().st_size < 80_000
)
ONE_OF_EACH: dict[Format, MediaType] = {kind.format: media_type(kind.mime, "utf-8") for kind in KINDS.values()}

FEW = settings(max_examples=150, deadline=10_000, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Watched(InMemory):
    """Fails the test when it is asked for too much."""

    def __init__(self, data: bytes, most_reads: int) -> None:
        super().__init__(data)
        self._left = most_reads

    def read(self, offset: int, length: int) -> bytes:
        self._left -= 1
        assert self._left >= 0, "too many reads"
        assert 0 < length <= MAX_READ
        assert 0 <= offset < self.size
        return super().read(offset, length)


def examine(data: bytes, kind: MediaType) -> Facts:
    facts = probe(Watched(data, 64 if kind.format == "pdf" else 16), kind)
    check(facts)
    assert facts.duration is None or facts.duration >= 0
    assert facts.pages is None or facts.pages >= 0
    assert facts.problem is None or facts.problem.endswith((".", ")"))
    return facts


@FEW
@given(st.binary(max_size=600), st.sampled_from(["a.mp3", "b", "c.txt", "d.pdf"]))
def test_any_bytes_are_either_typed_or_refused(data: bytes, name: str) -> None:
    found = sniff(data, name)
    if isinstance(found, MediaType):
        examine(data, found)


@FEW
@given(st.binary(min_size=1, max_size=600), st.sampled_from(sorted(ONE_OF_EACH)))
def test_any_bytes_can_be_probed_as_any_format(data: bytes, layout: Format) -> None:
    examine(data, ONE_OF_EACH[layout])


@settings(parent=FEW, max_examples=400)
@given(st.sampled_from(SMALL), st.data())
def test_a_mutated_sample_is_probed_without_harm(file: Path, data: st.DataObject) -> None:
    broken = bytearray(file.read_bytes())
    kind = sniff(bytes(broken[:HEAD]), file.name)
    for _ in range(data.draw(st.integers(1, 6), label="wounds")):
        # Headers are where it hurts: half of the wounds go there.
        reach = data.draw(st.sampled_from([min(200, len(broken)), len(broken)]))
        at = data.draw(st.integers(0, reach - 1))
        broken[at : at + 4] = data.draw(
            st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x01"])
        )
    cut = data.draw(st.integers(1, len(broken)), label="cut")
    mutated = bytes(broken[:cut])
    sniffed = sniff(mutated[:HEAD], file.name)
    for each in (kind, sniffed):
        if isinstance(each, MediaType):
            examine(mutated, each)


@pytest.mark.parametrize(
    "name", ["speech.wav", "speech.flac", "speech.ogg", "report.pdf", "picture.png", "photo.jpg", "clip.mp4"]
)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_cut_anywhere_is_found_to_be_damaged(name: str, share: float) -> None:
    data = (SAMPLES / name).read_bytes()
    kind = sniff(data[:HEAD], name)
    assert isinstance(kind, MediaType)

    facts = examine(data[: int(len(data) * share)], kind)

    assert facts.problem is not None
    assert "truncated" in facts.problem or "missing" in facts.problem


class Sparse:
    """A file of two gigabytes of which only the beginning is more than zeros."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head = head
        self.size = size
        self.fetched = 0

    def read(self, offset: int, length: int) -> bytes:
        data = self._head[offset : offset + length]
        self.fetched += length
        return data + bytes(min(length, self.size - offset) - len(data))


def test_a_recording_of_two_gigabytes_is_measured_by_its_header_alone() -> None:
    seconds, rate = 9 * 3600, 16_000
    size = seconds * rate * 2
    layout = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt \x10\0\0\0" + layout + b"data" + struct.pack("<I", size)
    source = Sparse(head, 44 + size)

    facts = probe(source, media_type("audio/wav"))

    assert facts.duration == seconds
    assert check(facts) is None
    assert source.fetched <= 128 * 1024


def test_what_the_source_raises_passes_through() -> None:
    class Broken:
        size = 10_000

        def read(self, offset: int, length: int) -> bytes:
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        probe(Broken(), media_type("audio/wav"))


def live_film(fragments: int) -> bytes:
    """The fragment of a real film, repeated at later times, as live encoders write it for hours."""
    film = (SAMPLES / "ugly" / "fragmented.mp4").read_bytes()
    first = film.index(b"moof") - 4
    end = film.rindex(b"mfra") - 4
    out = bytearray(film[:first])
    for number in range(fragments):
        fragment = bytearray(film[first:end])
        at = fragment.find(b"tfdt")
        while at >= 0:
            scale = 10_240 if fragment.count(b"tfdt", 0, at) == 0 else 44_100
            fragment[at + 8 : at + 16] = struct.pack(">Q", number * scale)
            at = fragment.find(b"tfdt", at + 1)
        out += fragment
    return bytes(out)


def test_a_live_film_of_a_thousand_fragments_is_measured_by_its_last_one() -> None:
    data = live_film(1000)
    source = Watched(data, 16)

    facts = probe(source, media_type("video/mp4"), data[:HEAD])

    assert facts.problem is None
    assert facts.duration == pytest.approx(999 + 1.22, abs=0.01)


def test_a_live_film_that_was_cut_is_found_to_be_truncated() -> None:
    facts = probe(InMemory(live_film(1000)[:-100]), media_type("video/mp4"))
    assert facts.problem is not None
    assert "truncated" in facts.problem


def test_text_that_declares_an_encoding_that_does_not_exist_is_still_told() -> None:
    found = sniff(b'<?xml version="1.0" encoding="windows-1"?><a>\xe9</a>', "a.xml")
    assert isinstance(found, MediaType)
    assert found.encoding == "windows-1252"
