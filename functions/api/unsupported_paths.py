"""Advice for requests to paths of other APIs, mostly OpenAI's, that are not served here."""

from __future__ import annotations

from collections.abc import Callable

_ADVICE = {
    "responses": "The Responses API is not served: use POST /v1/chat/completions, with the same files and tools.",
    "embeddings": "Vectors are a file of a task: name the recipe embed in POST /v1/llm/generations.",
    "images": "Images are files of a task: name the recipe draw in POST /v1/llm/generations. "
    "POST /v1/chat/completions understands them.",
    "audio/speech": "Speech is a file of a task: name the recipe speak in POST /v1/llm/generations. "
    "POST /v1/audio/transcriptions understands it.",
    "batches": "Batches are not served: submit every request to POST /v1/llm/generations, or drop files into an inbox.",
    "chat/completions": "Completions are not stored under their own ids: GET /v1/tasks/{id}, with the id of the header "
    "x-dropsight-task, has the answer.",
    "conversations": "The Responses API is not served: send the conversation to POST /v1/chat/completions.",
    "messages": "Anthropic's API is not served: use POST /v1/chat/completions.",
    "completions": "The old completions are not served: use POST /v1/chat/completions.",
    "moderations": "Moderations are not served: use safety_settings in POST /v1/chat/completions.",
    "assistants": "Assistants are not served: use POST /v1/chat/completions with tools.",
    "threads": "Threads are not served: send the conversation to POST /v1/chat/completions.",
    "vector_stores": "Vector stores are not served: a recipe adds files to an index, and the field index of "
    "POST /v1/chat/completions is answered from it.",
    "fine_tuning": "Fine-tuning is not served: describe the task in a recipe or a system prompt.",
    "realtime": "The Realtime API is not served: stream POST /v1/chat/completions or /v1/audio/transcriptions.",
}

_WHISPER_SERVERS = ("/asr", "/detect-language")
"""Paths of the web service for Whisper that Bazarr and others call."""
_BELOW_V1 = ("/chat/completions", "/audio", "/files", "/models", "/v1/v1")
"""Path prefixes that clients request if their base URL lacks /v1, or has it twice."""


def find_advice(path: str, is_served: Callable[[str], bool]) -> str | None:
    """Return a sentence on what to use instead of a path that is not served; None for unknown paths.

    `is_served` returns whether a path is served.
    """
    if any(_is_at_or_below(path, name) for name in _BELOW_V1):
        return "OpenAI's end points lie below /v1: the client's base URL is this server's address and /v1, once."
    if path in _WHISPER_SERVERS:
        return "The protocol of Whisper's ASR web service is not served: use POST /v1/audio/transcriptions."
    below = path.removeprefix("/v1/")
    if below == path:
        return None
    bare = path.rstrip("/")
    if path != bare and is_served(bare):
        return f"Leave out the slash at the end: {bare[:200]}"
    return next((text for name, text in _ADVICE.items() if _is_at_or_below(below, name)), None)


def _is_at_or_below(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}/")
