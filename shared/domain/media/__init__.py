"""Find out what a file is, and whether it may be sent to Gemini.

    source → `identify` (head → `sniff`) → a `MediaType` or a `Refusal`
         → `shared.examiner` (in a child process) → `Facts`
         → `check`, which raises `PermanentFailure`

Send with `facts.media_type.mime`.
"""

from shared.domain.media.facts import Facts
from shared.domain.media.kinds import (
    KINDS,
    Family,
    MediaType,
    kind_of_mime,
    kind_of_name,
    media_type,
)
from shared.domain.media.limits import GEMINI, check, check_prompt, check_size, check_soundness
from shared.domain.media.random_access import InMemory, RandomAccess
from shared.domain.media.refusal import Refusal
from shared.domain.media.sniffing import HEAD, identify, sniff
from shared.domain.media.utf8_conversion import WHOLE, in_utf_8

__all__ = [
    "GEMINI",
    "HEAD",
    "KINDS",
    "WHOLE",
    "Facts",
    "Family",
    "InMemory",
    "MediaType",
    "RandomAccess",
    "Refusal",
    "check",
    "check_prompt",
    "check_size",
    "check_soundness",
    "identify",
    "in_utf_8",
    "kind_of_mime",
    "kind_of_name",
    "media_type",
    "sniff",
]
