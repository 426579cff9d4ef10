"""Store an answer while it arrives, up to its continuation tokens, so that a killed call is not paid for twice.

    tasks/{id}/answer-{claim}-{round}-{segment}.json     what came since the segment before, up to a token

The first token is stored at once, later ones a few seconds or some pages apart: each segment is a write.
"""

from __future__ import annotations

from functions.generate.lease import Lease
from functions.generate.model.answer_store import store_segment
from shared.dependencies import GenerateDeps
from shared.domain.answer import response as answer
from shared.domain.answer.continuation import token_of
from shared.domain.answer.response import Json
from shared.off_loop import off_loop

_SECONDS_BETWEEN = 5.0
_CHARACTERS_BETWEEN = 16_000


class Segments:
    """Collects the pieces of one call. `record` is the call's stored record without the response."""

    def __init__(self, deps: GenerateDeps, lease: Lease, number: int, record: Json) -> None:
        self._deps, self._lease, self._number, self._record = deps, lease, number, record
        self.pieces: list[Json] = []
        self._stored = self._characters = self._count = 0
        self._stored_at = 0.0
        self._given_up = False

    async def add(self, piece: Json) -> None:
        """Add a piece of the answer. If it has a token and the last segment is long enough ago, store a segment.

        The last piece does not make a segment: the whole record follows.
        """
        self.pieces.append(piece)
        first = next(iter(answer.candidates(piece)), None)
        if first is None:
            return
        self._characters += len(answer.text(first))
        if self._given_up or token_of(piece) is None or answer.finish_reason(first) is not None or not self._is_due:
            return
        response = await off_loop(answer.join, self.pieces[self._stored :])
        self._count += 1
        record = {**self._record, "response": response, "segment": self._count}
        if not await store_segment(self._deps, self._lease, self._number, self._count, record):
            # No segment may follow a gap, which would lose text: a later claim continues from the segments before it.
            self._given_up = True
            return
        self._stored, self._characters, self._stored_at = len(self.pieces), 0, self._deps.clock.time()
        self._lease.note_resumable()

    @property
    def _is_due(self) -> bool:
        late = self._deps.clock.time() - self._stored_at >= _SECONDS_BETWEEN
        return late or self._characters >= _CHARACTERS_BETWEEN
