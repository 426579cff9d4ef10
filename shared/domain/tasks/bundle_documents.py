"""Names of the documents that are cut out of a bundle and become tasks.

    scan.pdf.documents/{task of scan.pdf}/01-invoice.pdf

The name leads to the bundle, so ingest, sweep and backfill can all create the document's task.
"""

from __future__ import annotations

import re

from shared.domain.tasks.task import ID_PATTERN, Source, Task

_LONGEST_NAME = 1024
"""Bytes (https://cloud.google.com/storage/docs/objects#naming)."""
_NAME = re.compile(rf"(?P<bundle>.+)\.documents/(?P<parent>{ID_PATTERN[1:-1]})/[^/]+\.pdf", re.ASCII | re.DOTALL)


def document_name(bundle: Task, ending: str) -> str | None:
    """Return the name of a bundle's document in the bundle's inbox, or None if it would be too long."""
    name = f"{bundle.source.name}.documents/{bundle.id}/{ending}"
    return name if len(name.encode()) <= _LONGEST_NAME else None


def parent_of(source: Source) -> str | None:
    """Return the id of the task whose bundle the object was cut out of, by its name; None for any other object."""
    match = _NAME.fullmatch(source.name) if source.kind == "object" else None
    return match["parent"] if match else None


def is_document_of(source: Source, bundle: Task) -> bool:
    """Return whether the object lies where a document of the bundle would."""
    match = _NAME.fullmatch(source.name)
    place = (source.bucket, match["bundle"], match["parent"]) if match else None
    return place == (bundle.source.bucket, bundle.source.name, bundle.id)
