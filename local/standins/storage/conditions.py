"""Preconditions on the version of an object or a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from local.standins.storage.errors import condition_not_met, not_modified


class Conditional(Protocol):
    """What preconditions are checked against: an object's version, or a bucket."""

    @property
    def generation(self) -> int: ...
    @property
    def metageneration(self) -> int: ...
    @property
    def etag(self) -> str: ...


@dataclass(frozen=True)
class Preconditions:
    """`ifGenerationMatch` and related parameters; None if not given. Generation 0: there is no live object."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None
    etags: frozenset[str] | None = None
    not_etags: frozenset[str] | None = None

    def check_write(self, current: Conditional | None) -> None:
        """Raise the 412 unless all hold. `current` is None if nothing is there yet."""
        if not self._match(current) or self._mismatch_fails(current):
            raise condition_not_met()

    def check_read(self, current: Conditional) -> None:
        """Raise the 412 unless all hold, or a 304 if only a "not match" fails: the caller's copy is current."""
        if not self._match(current):
            raise condition_not_met()
        if self._mismatch_fails(current):
            raise not_modified()

    def _match(self, current: Conditional | None) -> bool:
        generation = current.generation if current else 0
        if self.generation is not None and self.generation != generation:
            return False
        if self.metageneration is not None and (current is None or self.metageneration != current.metageneration):
            return False
        if self.etags is None:
            return True
        return current is not None and ("*" in self.etags or current.etag in self.etags)

    def _mismatch_fails(self, current: Conditional | None) -> bool:
        if self.not_generation is not None and self.not_generation == (current.generation if current else 0):
            return True
        if current is None:
            return False
        if self.not_metageneration is not None and self.not_metageneration == current.metageneration:
            return True
        return self.not_etags is not None and ("*" in self.not_etags or current.etag in self.not_etags)
