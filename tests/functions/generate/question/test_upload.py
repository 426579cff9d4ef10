"""Names of uploads, and the form in which texts are sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.generate.question.parts import as_sent
from functions.generate.question.upload import file_id, file_warnings, own_names
from shared.domain.media import Facts
from shared.domain.media.kinds import media_type
from shared.domain.tasks.task import Source, Task, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)


@pytest.fixture
def task() -> Task:
    made = new_task(SOURCE, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))
    return made.model_copy(update={"token": 6})


def test_each_claim_and_each_input_has_a_name_of_its_own(task: Task) -> None:
    names = [file_id("dev", task, index, token) for index in range(3) for token in range(1, 7)]
    assert len(set(names)) == len(names)


def test_the_longest_name_is_one_that_the_files_api_takes(task: Task) -> None:
    # 40 characters: lower-case letters, digits and dashes, none at either end.
    name = file_id("local7080b", task, 9, 99) + "c"
    assert len(name) <= 40
    assert name.replace("-", "").isalnum()


def test_the_names_to_delete_are_those_of_the_latest_claims_for_every_input_and_try(task: Task) -> None:
    names = own_names("dev", task, inputs=2)
    assert f"files/{file_id('dev', task, 1, 6)}c" in names
    assert f"files/{file_id('dev', task, 0, 2)}a" in names
    assert f"files/{file_id('dev', task, 0, 1)}a" not in names
    assert len(names) == 2 * 5 * 3


def test_a_text_is_sent_as_utf_8_and_anything_else_as_it_is() -> None:
    latin = Facts(media_type=media_type("text/plain", "windows-1252"), size=4)
    assert as_sent("Käse".encode("windows-1252"), latin) == "Käse".encode()
    picture = Facts(media_type=media_type("image/png"), size=2)
    assert as_sent(b"\xe4\xff", picture) == b"\xe4\xff"


def test_the_mismatch_of_a_name_comes_before_the_other_warnings() -> None:
    kind = media_type("image/png").model_copy(update={"mismatch": "a.jpg is a PNG image."})
    facts = Facts(media_type=kind, size=1, warnings=("It is small.",))
    assert file_warnings(facts) == ["a.jpg is a PNG image.", "It is small."]
