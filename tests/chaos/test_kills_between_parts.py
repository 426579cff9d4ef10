"""SIGKILL between and in the calls of a split file: what was answered is not asked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Running
from tests.shared.long_files import numbered_pdf

PDF = numbered_pdf(1001)
"""Two parts, and a call that joins their answers."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(DROPSIGHT_LEASE_SECONDS="3") as system:
        yield system


@pytest.mark.parametrize(
    ("name", "skip", "moment", "calls"),
    [
        ("before-the-second-part", 1, "before", 3),
        ("after-the-second-part", 1, "after", 4),
        ("before-they-are-joined", 2, "before", 3),
    ],
)
def test_a_kill_costs_at_most_the_call_that_was_being_answered(
    running: Running, name: str, skip: int, moment: str, calls: int
) -> None:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")
    running.fault("gemini", "streamGenerateContent", skip=skip, kill=moment, times=1)
    uri = running.drop(f"{name}.pdf", PDF, "application/pdf")
    task = running.end_of(uri, seconds=60)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    assert task["status"] == "completed", task["error"]
    assert len(running.model_calls()) == calls
    assert task["warnings"][0].startswith("The file (1,001 pages) was split into 2 parts")


def test_a_kill_while_the_first_answer_is_stored_costs_one_call_more_at_most(running: Running) -> None:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")
    running.fault("storage", "POST /upload/storage/v1/b/dropsight-results/o", skip=0, kill="after", times=1)
    task = running.end_of(running.drop("stored.pdf", PDF, "application/pdf"), seconds=60)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    assert task["status"] == "completed", task["error"]
    assert len(running.model_calls()) == 3
