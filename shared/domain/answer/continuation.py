"""Continue an answer by its continuation token: what is stored while it arrives, and how its pieces are joined.

    call ──▶ segments, each up to a token       stored while the answer comes
         ──▶ CONTINUATION, MAX_TOKENS + token   the record of a hop; the same request with the token goes on
         ──▶ broken off behind a token          the record ends at the token; likewise
         ──▶ killed behind a token              its segments are the record; likewise, by the next claim
         ──▶ closed by this side                what came is the record; without a token it counts for its cost only

A response that goes on with another one names it under `resumedFrom`: claim, round and token. So the text of the other
one ends at that token, whatever its own claim has stored since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.answer.usage import total_usage
from shared.domain.models.text_tokens import CHARACTERS_PER_TOKEN

MAX_HOPS = 64
"""Calls of one answer. The longest takes 16 streamed hops; the others are for streams that break."""
MAX_TOKENS = 1_048_576
"""Tokens of one answer in all its hops, by Google's guide."""
MAX_AT_LIMIT = 3
"""How often an answer goes on past a limit of tokens that we set ourselves."""
TOKENS_KEPT = timedelta(hours=24)
"""How long a token is used. Google names no time; the files of the request live for 48 hours."""
_BROKEN, _CLOSED = "break", "closed"
_LIMITS = ("CONTINUATION", "MAX_TOKENS")


class Origin(NamedTuple):
    """The response that a call goes on with."""

    claim: int
    round: int
    token: str


def token_of(response: Json) -> str | None:
    """Return the continuation token of the first candidate, or None."""
    candidate = next(iter(answer.candidates(response)), None)
    token = candidate.get("continuationToken") if candidate is not None else None
    return token if isinstance(token, str) and token else None


def joined_call(pieces: Sequence[Json]) -> Json:
    """Return the response of a stream that has ended. Its token, if any, is the token of the last piece.

    A stream that ends behind a token without a finish reason has broken off, and is cut there.
    """
    spoken = [piece for piece in pieces if answer.candidates(piece)]
    ended = any(answer.finish_reason(candidate) for piece in spoken for candidate in answer.candidates(piece)[:1])
    if not ended and (broken := broken_off(pieces)) is not None:
        return broken
    joined = answer.join(pieces)
    return joined if spoken and token_of(spoken[-1]) else without_tokens(joined)


def broken_off(pieces: Sequence[Json]) -> Json | None:
    """Return the response up to the last token of a stream that broke, or None if it had none."""
    last = max((number for number, piece in enumerate(pieces) if token_of(piece)), default=None)
    if last is None:
        return None
    return {**answer.join(pieces[: last + 1]), "cutBy": _BROKEN}


def closed_early(pieces: Sequence[Json]) -> Json | None:
    """Return what came of an answer whose stream this side has closed, or None if nothing came.

    With a token, it can be gone on with from there, as after a break; otherwise it is kept only for what it cost.
    """
    spoken = [candidate for piece in pieces for candidate in answer.candidates(piece)]
    if not spoken:
        return None
    characters = sum(len(answer.text(candidate)) for candidate in spoken)
    response = broken_off(pieces) or {**answer.join(pieces), "cutBy": _CLOSED}
    return {**response, "cutTokens": characters // CHARACTERS_PER_TOKEN}


def is_closed(response: Json) -> bool:
    """Return whether the response counts for its cost only."""
    return response.get("cutBy") == _CLOSED


def is_broken(response: Json) -> bool:
    return response.get("cutBy") == _BROKEN


def is_limited(candidate: Json) -> bool:
    """Return whether a candidate ends at a limit of tokens and can be gone on with by its token."""
    return bool(candidate.get("continuationToken")) and answer.finish_reason(candidate) in _LIMITS


def is_resumable(response: Json) -> bool:
    """Return whether the response ends at a token with which it goes on."""
    return token_of(response) is not None and (is_broken(response) or is_limited(answer.candidates(response)[0]))


def resumed_from(response: Json) -> Origin | None:
    """Return what the response goes on with; None for a first answer."""
    named = response.get("resumedFrom")
    if not isinstance(named, dict):
        return None
    return Origin(cast(int, named["claim"]), cast(int, named["round"]), cast(str, named["token"]))


def hops_joined(responses: Sequence[Json]) -> list[Json]:
    """Return one response for each answer of a question; `responses` are those of its calls, oldest first.

    An answer that broke off and was asked for anew counts no more.
    """
    chains: list[list[Json]] = []
    for response in responses:
        if chains and resumed_from(response) and answer.candidates(response):
            chains[-1].append(response)
            continue
        if chains and is_broken(chains[-1][-1]) and answer.candidates(response):
            chains.pop()
        chains.append([response])
    return [_one_response(chain) for chain in chains]


def text_so_far(responses: Sequence[Json]) -> Json:
    """Return one response with all that was answered so far, for readers of a stream."""
    return answer.join(hops_joined(responses))


def _one_response(hops: list[Json]) -> Json:
    if len(hops) == 1:
        return hops[0]
    *earlier, last = hops
    joined = answer.join([*map(_open_ended, earlier), last])
    return {name: value for name, value in joined.items() if name in last} | {"usageMetadata": total_usage(hops)}


def _open_ended(response: Json) -> Json:
    ends = ("finishReason", "continuationToken", "loop")
    candidates = [
        {name: value for name, value in candidate.items() if name not in ends}
        for candidate in answer.candidates(response)
    ]
    return {**response, "candidates": list(candidates)}


class Standing(NamedTuple):
    """Where the answers to a question stand."""

    responses: list[Json]
    """One for each answer; none if the question is to be asked anew."""
    token: str | None = None
    """The token with which the last one goes on."""
    is_spent: bool = False
    """Whether the last one could go on, but has used up what it may."""


def standing_of(
    responses: Sequence[Json], *, most_tokens: int | None = None, past_limit: int = MAX_AT_LIMIT
) -> Standing:
    """Return where a question stands after these responses, one for each call, oldest first.

    `most_tokens`: the request's limit for the whole answer. `past_limit`: how often it may continue past MAX_TOKENS.
    """
    joined = hops_joined(responses)
    last = responses[-1]
    token = token_of(last)
    if not is_resumable(last):
        # Without its token, what broke off is of no use: the model would not find to the same words.
        return Standing(joined[:-1] if is_broken(last) else joined)
    hops = _last_chain(responses)
    most = most_tokens if most_tokens and not past_limit else MAX_TOKENS
    is_spent = (
        len(hops) >= MAX_HOPS
        or sum(map(_answer_tokens, hops)) >= most
        or (_reason(last) == "MAX_TOKENS" and sum(_reason(hop) == "MAX_TOKENS" for hop in hops) > past_limit)
        or _stands_still(hops)
    )
    return Standing(joined, None if is_spent else token, is_spent)


def _last_chain(responses: Sequence[Json]) -> list[Json]:
    hops: list[Json] = []
    for response in reversed(responses):
        hops.append(response)
        if resumed_from(response) is None:
            break
    return hops[::-1]


def _stands_still(hops: Sequence[Json]) -> bool:
    """Return whether the last two hops brought nothing at all."""
    return len(hops) > 1 and not any(
        answer.parts(candidate) for hop in hops[-2:] for candidate in answer.candidates(hop)
    )


def _reason(response: Json) -> str | None:
    candidate = next(iter(answer.candidates(response)), None)
    return answer.finish_reason(candidate) if candidate is not None else None


def _answer_tokens(response: Json) -> int:
    usage = response.get("usageMetadata")
    count = usage.get("candidatesTokenCount") if isinstance(usage, dict) else None
    return count if isinstance(count, int) else 0


def whole_records(records: Iterable[Json], now: datetime) -> list[Json]:
    """Return one record for each round of each claim, of what the claims stored: segments are joined.

    A round that another one goes on with ends at the token where that one begins. The last one's token is left out if
    it is too old.
    """
    rounds = _by_round(record for record in records if not is_closed(_response(record)))
    origins = {
        (origin.claim, origin.round): origin.token
        for stored in rounds.values()
        for record in stored.values()
        if (origin := resumed_from(_response(record)))
    }
    whole = [_record_of(stored, until=origins.get(key)) for key, stored in sorted(rounds.items())]
    if whole and _is_old(whole[-1], now):
        whole[-1] = {**whole[-1], "response": without_tokens(_response(whole[-1]))}
    return whole


def billed_records(records: Iterable[Json]) -> list[Json]:
    """Return one record for each call, with all that is known to have come, for what it cost."""
    return [_record_of(stored) for _, stored in sorted(_by_round(records).items())]


_Stored = dict[int, Json]
"""The segments of a round by their numbers; the whole record is number 0."""


def _by_round(records: Iterable[Json]) -> dict[tuple[int, int], _Stored]:
    rounds: dict[tuple[int, int], _Stored] = {}
    for record in records:
        key = cast(int, record["claim"]), cast(int, record["round"])
        rounds.setdefault(key, {})[cast(int, record.get("segment") or 0)] = record
    return rounds


def _record_of(stored: _Stored, *, until: str | None = None) -> Json:
    whole = stored.get(0)
    if whole is not None and (until is None or token_of(_response(whole)) == until):
        return whole
    segments = [stored[number] for number in sorted(stored) if number]
    if until is not None:
        ends = [number for number, segment in enumerate(segments, 1) if token_of(_response(segment)) == until]
        if whole is not None and not ends:
            return whole
        segments = segments[: ends[0]] if ends else segments
    response = {**answer.join(map(_response, segments)), "cutBy": _BROKEN}
    return {name: value for name, value in segments[-1].items() if name != "segment"} | {"response": response}


def _response(record: Json) -> Json:
    return cast(Json, record["response"])


def _is_old(record: Json, now: datetime) -> bool:
    at = record.get("at")
    return isinstance(at, str) and now - datetime.fromisoformat(at) > TOKENS_KEPT


def without_tokens(response: Json) -> Json:
    """Return the response without its continuation tokens, so that it is not continued."""
    candidates = [
        {name: value for name, value in candidate.items() if name != "continuationToken"}
        for candidate in answer.candidates(response)
    ]
    return {**response, "candidates": list(candidates)} if candidates else response
