"""Whatever bytes arrive, the examiner comes to an end, raises nothing and reads little."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import PermanentFailure
from shared.domain.media import HEAD, KINDS, Facts, MediaType, check, media_type, sniff
from shared.domain.media.kinds import Format
from tests.shared.examiner_bench import Bench, bench

SAMPLES = Path(__file__).parents[1] / "samples"
SMALL = sorted(
    file
    for file in [*SAMPLES.iterdir(), *(SAMPLES / "ugly").iterdir()]
    if file.is_file() and 0 < file.stat().st_size < 80_000
)
ONE_OF_EACH: dict[Format, MediaType] = {kind.format: media_type(kind.mime, "utf-8") for kind in KINDS.values()}

FEW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def examiner() -> Iterator[Bench]:
    with bench() as made:
        yield made


def examined(examiner: Bench, data: bytes, kind: MediaType, *, whole_bytes: int = 1 << 20) -> Facts:
    facts = examiner.examine(data, kind, whole_bytes=whole_bytes)
    with contextlib.suppress(PermanentFailure):
        check(facts)
    assert facts.duration is None or facts.duration >= 0
    assert facts.pages is None or facts.pages >= 0
    assert facts.problem is None or facts.problem.endswith((".", ")"))
    assert "crashed" not in (facts.problem or "")
    assert "too long" not in (facts.problem or "")
    return facts


@FEW
@given(st.binary(min_size=1, max_size=600), st.sampled_from(sorted(ONE_OF_EACH)))
def test_any_bytes_can_be_examined_as_any_format(examiner: Bench, data: bytes, layout: Format) -> None:
    examined(examiner, data, ONE_OF_EACH[layout])


@pytest.mark.long
@settings(parent=FEW, max_examples=400)
@given(st.sampled_from(SMALL), st.data())
def test_a_mutated_sample_is_examined_without_harm(examiner: Bench, file: Path, data: st.DataObject) -> None:
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
            examined(examiner, mutated, each)
