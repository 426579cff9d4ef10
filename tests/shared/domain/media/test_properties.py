"""Whatever bytes arrive, sniffing comes to an end and raises nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.media import MediaType, Refusal, sniff

FEW = settings(max_examples=150, deadline=10_000, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(st.binary(max_size=600), st.sampled_from(["a.mp3", "b", "c.txt", "d.pdf"]))
def test_any_bytes_are_either_typed_or_refused(data: bytes, name: str) -> None:
    assert isinstance(sniff(data, name), MediaType | Refusal)


def test_text_that_declares_an_encoding_that_does_not_exist_is_still_told() -> None:
    sniffed = sniff(b'<?xml version="1.0" encoding="windows-1"?><a>\xe9</a>', "a.xml")
    assert isinstance(sniffed, MediaType)
    assert sniffed.encoding == "windows-1252"
