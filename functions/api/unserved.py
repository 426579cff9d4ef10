"""OpenAI's paths that are not served, and what to use instead of each."""

from __future__ import annotations

_INSTEAD = {
    "responses": "The Responses API is not served: use POST /v1/chat/completions, with the same files and tools.",
    "embeddings": "Embeddings are not served: ask Gemini's own API for them (gemini-embedding-2).",
    "images": "Images are not made here: ask Gemini's own API; POST /v1/chat/completions understands them.",
    "audio/speech": "Speech is not made here: ask Gemini's own API; POST /v1/audio/transcriptions understands it.",
    "batches": "Batches are not served: submit every request to POST /v1/llm/generations, or drop files into an inbox.",
    "completions": "The old completions are not served: use POST /v1/chat/completions.",
    "moderations": "Moderations are not served: use safety_settings in POST /v1/chat/completions.",
    "assistants": "Assistants are not served: use POST /v1/chat/completions with tools.",
    "threads": "Threads are not served: send the conversation to POST /v1/chat/completions.",
    "vector_stores": "Vector stores are not served: name the files in POST /v1/chat/completions.",
    "fine_tuning": "Fine-tuning is not served: describe the task in a recipe or a system prompt.",
    "realtime": "The Realtime API is not served: stream POST /v1/chat/completions or /v1/audio/transcriptions.",
}


_BELOW_V1 = ("/chat/", "/audio/", "/files", "/models", "/v1/v1/")
"""Beginnings of paths that clients ask for whose base URL lacks /v1, or has it twice."""


def find_advice(path: str) -> str | None:
    """Return a sentence for a path of OpenAI's API that is not served; None for any other path."""
    if path.startswith(_BELOW_V1):
        return "OpenAI's end points lie below /v1: the client's base URL is this server's address and /v1, once."
    below = path.removeprefix("/v1/")
    if below == path:
        return None
    if path.endswith("/"):
        return f"Leave out the slash at the end: {path.rstrip('/')[:200]}"
    return next((text for name, text in _INSTEAD.items() if below == name or below.startswith(f"{name}/")), None)
