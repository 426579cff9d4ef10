"""Check answers: whether they are complete, fit their schema and cover their recording."""

from shared.domain.checks.continuation import continuation_prompt, join_without_overlap
from shared.domain.checks.loops import loop_at_end, repeated_phrase
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, Step, next_step
from shared.domain.checks.structure import Structured, read, repair_prompt
from shared.domain.checks.transcript_coverage import transcript_warnings

__all__ = [
    "AskAgain",
    "CompleteAnswer",
    "Failed",
    "Step",
    "Structured",
    "continuation_prompt",
    "join_without_overlap",
    "loop_at_end",
    "next_step",
    "read",
    "repair_prompt",
    "repeated_phrase",
    "transcript_warnings",
]
