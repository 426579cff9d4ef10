"""Documents of bundles by their names: which bundle each is of, and whether it is a bundle's at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.tasks.bundle_documents import document_name, is_document_of, parent_of
from shared.domain.tasks.task import Source, Task, new_task

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def source(name: str, bucket: str = "inbox") -> Source:
    return Source(kind="object", bucket=bucket, name=name, generation=1, size=3, created_at=NOW)


def task_of(name: str) -> Task:
    return new_task(source(name), owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))


@pytest.mark.parametrize("name", ["scan.pdf", "post/a b/scan\n.pdf", "ünï.documents/x.pdf", "scan"])
def test_a_document_names_the_task_of_its_bundle(name: str) -> None:
    bundle = task_of(name)
    document = document_name(bundle, "02-rechnung-mai.pdf")
    assert document is not None
    assert document.startswith(name)
    assert parent_of(source(document)) == bundle.id
    assert is_document_of(source(document), bundle)
    assert not is_document_of(source(document, "other"), bundle)
    assert not is_document_of(source(document), task_of("another.pdf"))
    assert parent_of(bundle.source) is None


@pytest.mark.parametrize(
    "name",
    [
        "scan.pdf.documents/01-invoice.pdf",
        "scan.pdf.documents/task-llm-17-short/01-invoice.pdf",
        "scan.pdf.documents/task-llm-1776874565-yq3szvcu/more/01-invoice.pdf",
        "scan.pdf.documents/task-llm-1776874565-yq3szvcu/notes.txt",
        ".documents/task-llm-1776874565-yq3szvcu/01-invoice.pdf",
    ],
)
def test_an_object_of_another_name_has_no_parent(name: str) -> None:
    assert parent_of(source(name)) is None


def test_a_request_has_no_parent_whatever_its_object_is_named() -> None:
    document = document_name(task_of("scan.pdf"), "01-invoice.pdf")
    assert document is not None
    assert parent_of(source(document).model_copy(update={"kind": "request"})) is None


def test_a_name_that_cloud_storage_would_refuse_is_none() -> None:
    assert document_name(task_of("ü" * 500), "01-invoice.pdf") is None
