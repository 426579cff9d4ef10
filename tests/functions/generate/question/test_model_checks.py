"""Files that are too much for one prompt are refused before they are uploaded."""

from __future__ import annotations

import pytest

from functions.generate.question.model_checks import refuse_if_too_long
from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts
from shared.domain.media.kinds import media_type
from shared.domain.models.catalogue import catalogue, find_model


def a_recording(hours: float) -> Facts:
    return Facts(media_type=media_type("audio/flac"), size=1 << 20, duration=hours * 3600, has_audio=True)


def test_recordings_that_fit_the_window_pass() -> None:
    refuse_if_too_long([a_recording(1), a_recording(1)], find_model(catalogue().default))


def test_recordings_longer_than_one_prompt_takes_are_refused_with_the_limit() -> None:
    with pytest.raises(PermanentFailure, match=r"9\.5 h"):
        refuse_if_too_long([a_recording(5), a_recording(5)], None)


def test_an_unknown_model_has_no_window_to_check_against() -> None:
    refuse_if_too_long([a_recording(9)], None)
