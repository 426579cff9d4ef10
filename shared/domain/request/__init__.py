"""A submitted request: the body of `POST /v1/llm/generations`, and of a manifest.

JSON text ─▶ `read` ─▶ `Submission` ─▶ `misfits` (does the model, and do the limits, allow it?)   `read_and_check`: all
                                    ─▶ `inputs_of` (which media, from where) ─▶ `wire.body` (what Gemini is asked)
"""

from shared.domain.request.fitness import misfits
from shared.domain.request.inputs import Inline, Input, Remote, StoredInput, inputs_of
from shared.domain.request.rerun import asked_again
from shared.domain.request.schema import LARGEST_BODY, Submission, digest_of, overridden, read
from shared.domain.request.to_recipe import ResolvedRequest, completed, file_misfit, renders_a_recording, resolve_recipe
from shared.domain.request.validation import CheckedRequest, read_and_check
from shared.domain.request.wire import Handed, body

__all__ = [
    "LARGEST_BODY",
    "CheckedRequest",
    "Handed",
    "Inline",
    "Input",
    "Remote",
    "ResolvedRequest",
    "StoredInput",
    "Submission",
    "asked_again",
    "body",
    "completed",
    "digest_of",
    "file_misfit",
    "inputs_of",
    "misfits",
    "overridden",
    "read",
    "read_and_check",
    "renders_a_recording",
    "resolve_recipe",
]
