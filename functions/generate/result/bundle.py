"""Cut the documents that an answer names out of the dropped PDF.

They are published beside the answer in the results bucket, whose objects start no tasks: a bundle is never cut again.
"""

from __future__ import annotations

import threading

from pydantic import JsonValue

from functions.generate.question.upload import examine_object
from shared.cloud.object_stream import SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain.errors import PermanentFailure
from shared.domain.media.limits import GEMINI
from shared.domain.outputs import File, Rendered
from shared.domain.outputs.bundle import read_bundle
from shared.domain.splitting.plan import Span
from shared.domain.tasks.task import Task
from shared.examiner import Threaded
from shared.off_loop import off_loop

_MAX_BYTES = 2 * GEMINI.pdf_bytes
"""Bytes of a file's documents, which stay in memory until published. Each has its own copy of shared fonts."""


async def cut_documents(deps: GenerateDeps, task: Task, value: JsonValue) -> Rendered:
    """Return a PDF for each document that the answer names, and warnings about documents that could not be cut."""
    source = task.source
    try:
        stored = await deps.storage.stat(source.bucket, source.name) if source.kind == "object" else None
        if stored is None or stored.generation != source.generation:
            return Rendered({}, ("The documents were not cut out: only a dropped file that is still there is cut.",))
        stored = await deps.storage.readable(stored, threading.Event())
        facts = await examine_object(deps, stored, divisible=True)
        if facts.media_type.family != "pdf":
            return Rendered({}, ("The documents were not cut out: only a PDF is cut.",))
        if facts.pages is None or facts.pages > GEMINI.pdf_pages or facts.size > GEMINI.pdf_bytes:
            # The PDF was split, and page numbers restart in each part.
            return Rendered({}, ("The documents were not cut out: the file was too long to be asked about at once.",))
        bundle = await off_loop(read_bundle, value, facts.pages)
        ranges = Threaded(deps.storage.ranges(stored, b""), deps.storage.in_thread)
        files: dict[str, File] = {}
        warnings = bundle.warnings
        left = _MAX_BYTES
        for document in bundle.documents:
            span = Span(start=document.first, end=document.last, unit="pages")
            with await deps.splitter.cut(ranges, facts, span, threading.Event()) as part:
                data = await deps.storage.in_thread(part.read)
            left -= len(data)
            if left < 0:
                warnings = (
                    *warnings,
                    f"From {document.ending} on, no documents were cut out: together they are too large.",
                )
                break
            files[document.ending] = File(data, "application/pdf")
    except (PermanentFailure, SourceVanished) as failure:
        return Rendered({}, (f"The documents were not cut out: {failure}",))
    return Rendered(files, warnings)
