"""A submitted request: the body of `POST /v1/llm/generations`, and of a manifest.

`read_and_check`   JSON text ─▶ `read` ─▶ `Submission` ─▶ `resolve_recipe` ─▶ `ResolvedRequest`: recipe,
                   conversation, inputs ─▶ `refuse_misfits`: does the model, and do the limits, allow it?
`body`             `ResolvedRequest` and the prepared files of its inputs ─▶ what Gemini is asked
"""

from shared.domain.request.inputs import Inline, Input, Remote, StoredInput, inputs_of
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import LARGEST_BODY, Submission, digest_of, read, replace_fields
from shared.domain.request.to_recipe import ResolvedRequest, resolve_recipe
from shared.domain.request.validation import read_and_check, refuse_file, refuse_misfits
from shared.domain.request.wire import body

__all__ = [
    "LARGEST_BODY",
    "Inline",
    "Input",
    "Remote",
    "ResolvedRequest",
    "StoredInput",
    "Submission",
    "body",
    "digest_of",
    "inputs_of",
    "read",
    "read_and_check",
    "refuse_file",
    "refuse_misfits",
    "replace_fields",
    "resolve_recipe",
    "resolve_rerun",
]
