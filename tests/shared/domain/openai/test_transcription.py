"""The fields of a transcription's form, as clients spell them."""

from __future__ import annotations

import pytest

from shared.domain.openai.transcription import read_fields


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]", "timestamp_granularities[0]"])
def test_the_members_of_a_list_are_taken_however_a_client_names_them(name: str) -> None:
    form = read_fields([("model", "whisper-1"), ("response_format", "verbose_json"), (name, "word")], "transcribe")
    assert form.words
    assert form.ignored == ()
