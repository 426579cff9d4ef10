"""Map the model's finish reasons to what they mean for its answer.

The names are those of google-genai's `types.FinishReason`; a test holds this table against it. A name that is not here
yet counts as `odd`: it never passes for a whole answer.

    whole       the model came to its end
    cut         at a limit of tokens; it can be gone on with
    blocked     a filter or a policy stopped it
    malformed   what it answered cannot be used: asked again once, then failed
    given_up    it could not come to an answer, and would not at a second try
    odd         no reason that says anything
"""

from __future__ import annotations

from typing import Literal

Ending = Literal["whole", "cut", "blocked", "malformed", "given_up", "odd"]
Public = Literal["stop", "length", "content_filter"]

_TABLE: dict[str, tuple[Ending, str]] = {
    "STOP": ("whole", "it came to its end"),
    "MAX_TOKENS": ("cut", "the token limit"),
    "CONTINUATION": ("cut", "the most tokens of one request"),
    "SAFETY": ("blocked", "the safety settings"),
    "RECITATION": ("blocked", "it was reciting a known text"),
    "LANGUAGE": ("blocked", "a language that is not supported"),
    "BLOCKLIST": ("blocked", "a forbidden word"),
    "PROHIBITED_CONTENT": ("blocked", "prohibited content"),
    "SPII": ("blocked", "sensitive personal data"),
    "IMAGE_SAFETY": ("blocked", "the safety settings for images"),
    "IMAGE_PROHIBITED_CONTENT": ("blocked", "prohibited content of an image"),
    "IMAGE_RECITATION": ("blocked", "an image that recites a known one"),
    "ESCALATION": ("blocked", "an escalation rule filtered the request"),
    "MODEL_ARMOR": ("blocked", "Model Armor"),
    "PUP_LIMITED_DISABLED": ("blocked", "Google has limited the account under its Prohibited Use Policy"),
    "MALFORMED_FUNCTION_CALL": ("malformed", "its function call cannot be read"),
    "MALFORMED_RESPONSE": ("malformed", "its answer cannot be read"),
    "UNEXPECTED_TOOL_CALL": ("malformed", "it called a tool that it was not given"),
    "TOO_MANY_TOOL_CALLS": ("given_up", "it called tools too many times"),
    "MISSING_THOUGHT_SIGNATURE": ("given_up", "the request lacks the thought signature of an earlier turn"),
    "OTHER": ("odd", "no reason is given"),
    "NO_IMAGE": ("odd", "it made no image"),
    "IMAGE_OTHER": ("odd", "its image was stopped and no reason is given"),
    "FINISH_REASON_UNSPECIFIED": ("odd", "no reason is given"),
}

_PUBLIC: dict[Ending, Public] = {
    "whole": "stop",
    "cut": "length",
    "blocked": "content_filter",
    "malformed": "length",
    "given_up": "length",
    "odd": "length",
}
"""OpenAI has no reason for other incomplete answers; `length` at least says that they are not complete."""


def ending_of(reason: str | None) -> Ending:
    """Return what a finish reason means for the answer. `reason` is None if the answer has none."""
    return _TABLE[reason][0] if reason in _TABLE else "odd"


def public(reason: str | None) -> Public:
    """Return OpenAI's finish reason, ignoring function calls."""
    return _PUBLIC[ending_of(reason)]


def explained(reason: str | None) -> str:
    """Return the reason by its name and in words, for use in brackets."""
    if reason is None:
        return "no finish reason"
    return f"{reason}: {_TABLE[reason][1]}" if reason in _TABLE else f"{reason}, which is not known here"
