"""How long Ogg files play whose own numbers are at the edge of what the format allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.media import media_type
from shared.examiner import Examiner
from shared.sandbox import Sandbox
from tests.shared.made_media import recording
from tests.shared.made_rare_media import ending_early, priming

SPEECH = Path(__file__).parents[1] / "samples" / "speech.ogg"


async def seconds(data: bytes) -> float | None:
    sandbox = Sandbox()
    facts = await Examiner(sandbox).examine_bytes(data, media_type("audio/ogg"))
    await sandbox.close()
    assert facts.problem is None
    return facts.duration


async def test_vorbis_that_ends_within_its_last_page_is_not_days_long() -> None:
    assert await seconds(ending_early(SPEECH.read_bytes(), samples=100)) == pytest.approx(8.0, abs=0.1)


async def test_opus_that_primes_its_decoder_for_as_long_as_it_may_is_so_much_shorter() -> None:
    whole = recording("ogg", "libopus", rate=48_000, seconds=3)
    assert await seconds(priming(whole, 65_535)) == pytest.approx(3.0 - 65_535 / 48_000, abs=0.1)
