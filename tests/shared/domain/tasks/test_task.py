"""Ids that every delivery derives alike, and by what a task is found."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.tasks.task import (
    Source,
    derive_id,
    folder_of,
    is_task_id,
    key_of,
    make_id,
    new_task,
    place_of,
    visibility,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, 654321, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
NAMES = st.text(max_size=30)
ALIKE = settings(max_examples=150, deadline=None, derandomize=True)


def source(name: str = "a.txt", generation: int = 1, bucket: str = "inbox", **fields: object) -> Source:
    given = {"kind": "object", "bucket": bucket, "name": name, "generation": generation, "size": 3, "created_at": NOW}
    return Source.model_validate({**given, **fields})


@ALIKE
@given(bucket=NAMES, name=NAMES, generation=st.integers(0, 2**63), created_at=MOMENTS, salt=st.integers(0, 3))
def test_an_id_is_derived_alike_every_time_and_has_the_public_form(
    bucket: str, name: str, generation: int, created_at: datetime, salt: int
) -> None:
    derived = derive_id(bucket, name, generation, created_at, salt)
    assert derived == derive_id(bucket, name, generation, created_at, salt)
    assert is_task_id(derived)
    assert not derived.endswith("z"), "Cloud Run keeps some paths that end in z for itself"
    assert int(derived.split("-")[2]) == int(created_at.timestamp())
    assert key_of(derived) == derived[-8:] + derived[9:19]


@ALIKE
@given(digest=st.binary(max_size=40), seconds=st.integers(0, 9_999_999_999))
def test_whatever_the_digest_the_id_has_its_form(digest: bytes, seconds: int) -> None:
    derived = make_id(seconds, digest)
    assert is_task_id(derived)
    assert not derived.endswith("z")


@ALIKE
@given(one=st.tuples(NAMES, NAMES, st.integers(0, 9)), other=st.tuples(NAMES, NAMES, st.integers(0, 9)))
def test_different_objects_have_different_ids(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    assume(one != other and "\0" not in "".join([*one[:2], *other[:2]]))
    assert derive_id(*one, NOW) != derive_id(*other, NOW)


def test_salts_lead_past_ids_that_others_took() -> None:
    ids = {derive_id("inbox", "a.txt", 1, NOW, salt) for salt in range(100)}
    assert len(ids) == 100


def test_an_id_stays_what_it_was_when_it_was_first_derived() -> None:
    """Tasks that are stored were named by this: it never changes."""
    digest = hashlib.sha256(b"inbox\0a.txt\x001").digest()
    assert (
        derive_id("inbox", "a.txt", 1, NOW) == make_id(int(NOW.timestamp()), digest) == "task-llm-1777636800-vat1qegr"
    )


def test_the_moment_counts_whatever_zone_it_is_written_in() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert derive_id("inbox", "a.txt", 1, there) == derive_id("inbox", "a.txt", 1, NOW)
    assert (
        new_task(source(created_at=there), owner="o", model="m", now=there, keep=timedelta(days=1)).inbox_day
        == "inbox/2026-05-01"
    )


@pytest.mark.parametrize(
    "text",
    ["", "task-llm-1", "task-llm-1777636800-ABCDEFGH", "task-llm-1777636800-abcdefg", "task-llm-177763680-abcdefgh",
     "xtask-llm-1777636800-abcdefgh", "task-llm-1777636800-abcdefgh/x", "task-llm-١٧٧٧٦٣٦٨٠٠-abcdefgh",
     "task-llm-1777636800-abcdefgh\n"],
)  # fmt: skip
def test_what_only_resembles_an_id_is_none(text: str) -> None:
    assert not is_task_id(text)


def test_the_place_in_a_list_is_told_by_the_id_alone() -> None:
    task = new_task(source(), owner="o", model="m", now=NOW, keep=timedelta(days=1))
    assert place_of(task.id) == (task.created_at, task.key)


def test_a_new_task_is_pending_due_and_open() -> None:
    task = new_task(source(), owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))
    assert (task.status, task.progress, task.token, task.epoch, task.open) == ("pending", 0, 0, 0, True)
    assert (task.dispatch_at, task.accepted_at, task.expires_at) == (NOW, NOW, NOW + timedelta(days=30))
    assert task.created_at == NOW.replace(microsecond=0), "`created` is in whole seconds"


def test_a_task_is_found_by_its_owner_and_by_each_folder_of_its_object() -> None:
    assert visibility("inbox:inbox", source("a/b/c.txt")) == (
        "inbox:inbox", "gs://inbox/", "gs://inbox/a/", "gs://inbox/a/b/",
    )  # fmt: skip
    assert visibility("inbox:inbox", source("c.txt")) == ("inbox:inbox", "gs://inbox/")


@pytest.mark.parametrize("kind", ["request", "manifest"])
def test_a_task_of_a_request_is_found_by_its_owner_alone(kind: str) -> None:
    assert visibility("key:one", source("api/x.json", kind=kind)) == ("key:one",)


@ALIKE
@given(parts=st.lists(st.text(alphabet="ab/", max_size=4), max_size=24), cut=st.integers(0, 60))
def test_the_folder_of_any_prefix_reaches_the_objects_under_it(parts: list[str], cut: int) -> None:
    dropped = source("/".join(parts) + "x")
    place = dropped.uri[: len("gs://inbox/") + cut]
    assert folder_of(place) in visibility("o", dropped)


def test_sources_are_the_same_by_object_and_generation_only() -> None:
    assert source().same_as(source(size=9, content_type="text/plain"))
    for other in (source("b.txt"), source(generation=2), source(bucket="other")):
        assert not source().same_as(other)


def test_a_task_cannot_be_changed_in_place_nor_hold_what_it_does_not_know() -> None:
    task = new_task(source(), owner="o", model="m", now=NOW, keep=timedelta(days=1))
    with pytest.raises(ValidationError):
        task.progress = 3  # type: ignore[misc]
    for wrong in ({"progress": 101}, {"status": "done"}, {"unknown": 1}, {"id": "task-llm-1-a"}):
        with pytest.raises(ValidationError):
            type(task).model_validate({**task.model_dump(), **wrong})
