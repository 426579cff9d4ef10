"""What the stand-in finds in media, and what it does with those that end or hold up who reads them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from local.standins.gemini.prober import Prober
from tests.local.standins.gemini import media_samples as samples


@pytest.fixture(scope="module")
def prober() -> Iterator[Prober]:
    made = Prober()
    yield made
    made.close()


def joined(*pieces: bytes) -> bytes:
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("content", "mime_type", "seconds"),
    [
        (lambda: samples.live_webm(33), "audio/webm", 33),
        (lambda: samples.live_webm(33), "video/webm", 33),
        (lambda: samples.live_webm(5)[:-300], "audio/webm", 4.4),
        (lambda: samples.fragmented_mp4(20), "video/mp4", 20),
        (lambda: samples.fragmented_mp4(20), "audio/mp4", 20),
        (lambda: joined(samples.ogg_opus(7), samples.ogg_opus(4)), "audio/ogg", 11),
        (lambda: joined(samples.mp3(200), samples.mp3(300)), "audio/mp3", 500 * 1152 / 44_100),
        (lambda: samples.wav(4)[:-8000], "audio/wav", 3.5),
        (lambda: joined(b"ID3\x04\x00\x00\x00\x00\x00\x0a", bytes(10), samples.wav(4)), "audio/wav", 4),
        (lambda: samples.mp4(9), "video/mp4", 9),
    ],
)
def test_a_length_is_what_is_there_whatever_a_header_says(
    prober: Prober, content: Callable[[], bytes], mime_type: str, seconds: float
) -> None:
    media = prober.of_bytes(content(), mime_type)
    assert media.error == ""
    assert media.duration == pytest.approx(seconds, abs=0.3)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"1\n00:00:01,000 --> 00:00:02,000\nhello\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        b"plain words, whatever the type says",
        bytes(5000),
    ],
)
def test_what_names_other_files_or_is_no_medium_is_not_opened(prober: Prober, content: bytes) -> None:
    for mime_type in ("audio/mp3", "video/mp4"):
        assert prober.of_bytes(content, mime_type).error


def test_a_pdf_with_a_broken_table_is_read_as_viewers_do(prober: Prober) -> None:
    whole = samples.pdf("First page", "Second", "Third")
    for content in (whole, whole.replace(b"startxref\n", b"startxref\n9"), whole.replace(b"0 8\n", b"0 9999\n")):
        media = prober.of_bytes(content, "application/pdf")
        assert (media.error, media.pages) == ("", 3)
        assert media.text.startswith("First page Second")


def stopped(prober: Prober) -> int:
    """Hold up the process that reads media, as a file may that makes it turn for ever; its id."""
    prober.of_bytes(samples.wav(1), "audio/wav")
    assert prober._child is not None
    os.kill(prober._child.pid, signal.SIGSTOP)
    return prober._child.pid


def test_a_medium_that_takes_too_long_fails_alone() -> None:
    prober = Prober(seconds=5)
    stopped(prober)
    prober._seconds = 0.5
    assert "took too long" in prober.of_bytes(samples.wav(1), "audio/wav").error
    prober._seconds = 30
    assert prober.of_bytes(samples.wav(2), "audio/wav").duration == 2
    prober.close()


def test_a_medium_that_ends_the_process_fails_alone() -> None:
    prober = Prober()
    crash = threading.Timer(0.3, os.kill, (stopped(prober), signal.SIGKILL))
    crash.start()
    assert "could not be decoded" in prober.of_bytes(samples.wav(1), "audio/wav").error
    crash.join()
    assert prober.of_bytes(samples.wav(2), "audio/wav").duration == 2
    prober.close()


def test_the_process_ends_with_the_prober() -> None:
    prober = Prober()
    prober.of_bytes(samples.wav(1), "audio/wav")
    assert prober._child is not None
    child = prober._child
    prober.close()
    assert child.poll() is not None
