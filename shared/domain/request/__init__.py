"""A submitted request: the body of `POST /v1/llm/generations`, and of a manifest.

`read_and_check`   JSON text ─▶ `read` ─▶ `Submission` ─▶ `resolve_recipe` ─▶ `ResolvedRequest`: recipe,
                   conversation, inputs ─▶ `refuse_misfits`: does the model, and do the limits, allow it?
`body`             `ResolvedRequest` and the prepared files of its inputs ─▶ what Gemini is asked
"""
