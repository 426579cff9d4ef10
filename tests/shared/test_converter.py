"""Recordings and films that Gemini does not take become ones that it takes: as long, in time, and in bounded memory."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from shared.converter import Converted, Converter
from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts
from shared.sandbox import Sandbox
from tests.shared.examiner_bench import Bench, Counted, bench
from tests.shared.made_media import SECONDS, film, recording

pytestmark = pytest.mark.long

UGLY = Path(__file__).parents[1] / "samples" / "ugly"

RECORDINGS: dict[str, tuple[str, str, int]] = {
    "AMR": ("amr", "libopencore_amrnb", 8_000),
    "3GPP with AMR": ("3gp", "libopencore_amrnb", 8_000),
    "ALAC in M4A": ("ipod", "alac", 16_000),
    "ALAC in Core Audio": ("caf", "alac", 16_000),
    "Opus in Matroska": ("matroska", "libopus", 16_000),
    "Opus in WebM": ("webm", "libopus", 16_000),
    "Opus in MP4": ("mp4", "libopus", 16_000),
    "FLAC in Matroska": ("matroska", "flac", 16_000),
    "ADPCM in WAV": ("wav", "adpcm_ms", 16_000),
    "AAC in LOAS": ("latm", "aac", 16_000),
    "AAC in a transport stream": ("mpegts", "aac", 48_000),
    "WavPack": ("wv", "wavpack", 16_000),
    "True Audio": ("tta", "tta", 16_000),
    "Wave64": ("w64", "pcm_s16le", 16_000),
    "Sun AU": ("au", "pcm_s16be", 16_000),
}
FILMS: dict[str, tuple[str, str, str | None, str]] = {
    "H.264 in Matroska": ("matroska", "libx264", "aac", "yuv420p"),
    "H.264 and Opus in Matroska": ("matroska", "libx264", "libopus", "yuv420p"),
    "VP8 in Matroska": ("matroska", "libvpx", "libopus", "yuv420p"),
    "FFV1 without sound": ("matroska", "ffv1", None, "yuv420p"),
    "HuffYUV in AVI": ("avi", "huffyuv", "pcm_s16le", "yuv422p"),
    "MPEG-2 in a transport stream": ("mpegts", "mpeg2video", "mp2", "yuv420p"),
}


class Workshop:
    """A converter on a loop of its own."""

    def __init__(self, examiner: Bench, runner: asyncio.Runner) -> None:
        self.examiner, self.runner = examiner, runner

    def examined(self, data: bytes) -> Facts:
        facts, refusal = self.examiner.judge(data, "file")
        assert refusal is None, refusal
        assert facts is not None
        return facts

    def convert(
        self, data: bytes, facts: Facts | None = None, *, seconds: float = 60, kept: int = 1 << 20
    ) -> Converted:
        facts = facts or self.examined(data)
        converter = Converter(Sandbox(), kept_bytes=kept)
        return self.runner.run(converter.convert(Counted(data), facts, seconds=seconds))

    def converted(self, data: bytes) -> bytes:
        result = self.convert(data).whole
        assert result is not None
        return b"".join(result)


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with bench() as examiner, asyncio.Runner() as runner:
        yield Workshop(examiner, runner)


def heard(data: bytes) -> list[int]:
    """The loudest sample of each tenth of a second."""
    with av.open(io.BytesIO(data), mode="r") as opened:
        resampler = av.AudioResampler("s16", "mono", 8_000)
        frames = [ready for frame in opened.decode(audio=0) for ready in resampler.resample(frame)]
    samples = memoryview(b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)).cast("h")
    return [max(samples[at : at + 800]) for at in range(0, len(samples) - 799, 800)]


@pytest.mark.parametrize("what", RECORDINGS)
def test_a_recording_becomes_opus_in_ogg_and_stays_as_long(workshop: Workshop, what: str) -> None:
    container, codec, rate = RECORDINGS[what]
    data = recording(container, codec, rate=rate)
    facts = workshop.examined(data)
    assert facts.media_type.preparation == "transcode"
    assert facts.media_type.family == "audio"
    made = workshop.converted(data)
    found = workshop.examined(made)
    assert found.media_type.mime == "audio/ogg"
    assert found.media_type.preparation is None
    assert found.duration == pytest.approx(SECONDS, abs=0.12)
    assert min(heard(made)[3:-3]) > 5_000


@pytest.mark.parametrize("codec", ["libopus", "flac", "aac"])
def test_what_is_missing_in_the_source_is_silent_for_as_long(workshop: Workshop, codec: str) -> None:
    loudness = heard(workshop.converted(recording("matroska", codec, gap=2, offset=5)))
    assert len(loudness) == pytest.approx(50, abs=2)
    assert min(loudness[2:8]) > 5_000
    assert max(loudness[13:28]) < 1_000
    assert min(loudness[33:47]) > 5_000


@pytest.mark.parametrize("what", FILMS)
def test_a_film_becomes_an_mp4_and_stays_as_long(workshop: Workshop, what: str) -> None:
    container, codec, sound, pixels = FILMS[what]
    data = film(container, codec, sound, pixels=pixels)
    assert workshop.examined(data).media_type.preparation == "transcode"
    made = workshop.converted(data)
    found = workshop.examined(made)
    assert found.media_type.mime == "video/mp4"
    assert found.problem is None
    assert (found.has_audio, found.has_video) == (sound is not None, True)
    assert found.duration == pytest.approx(SECONDS, abs=0.2)
    with av.open(io.BytesIO(made), mode="r") as opened:
        assert {stream.codec_context.name for stream in opened.streams} <= {"h264", "aac"}
        times = [frame.time for frame in opened.decode(video=0)]
    assert times == pytest.approx([number / 10 for number in range(len(times))], abs=0.15)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts", "clip.ogv", "speech.wma", "voice.amr", "speech.webm"])
def test_files_of_other_programs_are_converted(workshop: Workshop, name: str) -> None:
    data = (UGLY / name).read_bytes()
    before, after = workshop.examined(data), workshop.examined(workshop.converted(data))
    assert after.duration == pytest.approx(before.duration, abs=0.15)
    assert after.media_type.family == before.media_type.family


@pytest.mark.parametrize(("name", "kept"), [("clip.mkv", 1000), ("clip.ogv", 1000), ("speech.wma", 100)])
def test_what_is_too_large_to_be_kept_is_made_again_while_it_is_read(workshop: Workshop, name: str, kept: int) -> None:
    data = (UGLY / name).read_bytes()
    facts, whole = workshop.examined(data), workshop.converted(data)
    result = workshop.convert(data, kept=kept)
    assert result.whole is None
    assert result.size == len(whole)

    async def read() -> bytes:
        stream = Converter(Sandbox()).stream(Counted(data), facts, result, seconds=60, stop=threading.Event())
        with stream:
            assert (stream.seek(0, io.SEEK_END), stream.tell(), stream.seek(0)) == (len(whole), len(whole), 0)
            return await asyncio.to_thread(lambda: b"".join(iter(lambda: stream.read(777), b"")))

    assert workshop.runner.run(read()) == whole


def test_a_reader_that_stops_ends_the_child(workshop: Workshop) -> None:
    data = (UGLY / "clip.ogv").read_bytes()
    facts, result = workshop.examined(data), workshop.convert(data, kept=10)

    async def read_a_little() -> int:
        before = len(asyncio.all_tasks())
        stream = Converter(Sandbox()).stream(Counted(data), facts, result, seconds=60, stop=threading.Event())
        await asyncio.to_thread(stream.read, 10)
        stream.close()
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0)
        return before

    assert workshop.runner.run(read_a_little()) == 1


def test_a_conversion_that_would_take_too_long_is_refused_with_the_command_that_does_it(workshop: Workshop) -> None:
    data = (UGLY / "clip.ogv").read_bytes()
    converter = Converter(Sandbox(), function="tests.shared.sandbox_functions:convert_slowly")
    with pytest.raises(PermanentFailure, match=r"takes more than 5 s.*ffmpeg -i FILE .*FILE\.mp4") as refused:
        workshop.runner.run(converter.convert(Counted(data), workshop.examined(data), seconds=5))
    assert refused.value.code == "file_processing_failed"


def test_a_recording_that_cannot_be_decoded_is_refused(workshop: Workshop) -> None:
    data = recording("amr", "libopencore_amrnb", rate=8_000)
    facts = workshop.examined(data)
    with pytest.raises(PermanentFailure, match="an AMR recording"):
        workshop.convert(b"#!AMR\n" + b"\xff" * 500, facts)


def test_a_child_that_crashes_refuses_the_one_file(workshop: Workshop) -> None:
    data = recording("amr", "libopencore_amrnb", rate=8_000)
    converter = Converter(Sandbox(), function="tests.shared.sandbox_functions:segfault")
    with pytest.raises(PermanentFailure, match="damaged or protected"):
        workshop.runner.run(converter.convert(Counted(data), workshop.examined(data), seconds=60))
