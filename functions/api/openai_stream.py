"""The event streams of the OpenAI-compatible end points: data blocks without offsets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

from functions.api.follower import Follower, followers, wait_for_change
from functions.api.routes.stream import HEARTBEAT_SECONDS, LARGEST_STREAM
from shared.domain.answer.response import Json

_DATA = b"data: "


class StreamItem(NamedTuple):
    """A `chunk` (JSON of a chat.completion.chunk), a `pause` (send a heartbeat), the `end`, or an
    `error` with its code and message."""

    kind: Literal["chunk", "pause", "end", "error"]
    data: bytes = b""
    code: str = ""
    message: str = ""


async def stream_items(follower: Follower) -> AsyncIterator[StreamItem]:
    """Yield the stream of a task from its beginning to its end."""
    sent, offset = 0, 0
    follower.join(stream=True)
    try:
        while True:
            changed = follower.changed
            while offset < len(follower.blocks):
                block = follower.blocks[offset]
                offset, sent = offset + 1, sent + len(block)
                yield StreamItem("chunk", block[block.index(_DATA) + len(_DATA) :].rstrip(b"\n"))
            if follower.task.terminal and follower.is_whole:
                yield StreamItem("end")
                return
            if (failure := follower.failure) is not None:
                yield StreamItem("error", code=failure.code, message=failure.message)
                return
            if followers().shutdown.begun or sent > LARGEST_STREAM:
                message = f"The stream ends here. GET /v1/tasks/{follower.task.id} has the whole answer."
                yield StreamItem("error", code="stream_interrupted", message=message)
                return
            if not await wait_for_change(changed, HEARTBEAT_SECONDS):
                yield StreamItem("pause")
    finally:
        follower.leave(stream=True)


def data_block(value: Json) -> bytes:
    return _DATA + json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n\n"


def event_block(value: Json) -> bytes:
    """Return a block whose event name is its type: some clients read only that (Subtitle Edit)."""
    return f"event: {value['type']}\n".encode() + data_block(value)


def error_block(item: StreamItem) -> bytes:
    return data_block({"error": {"message": item.message, "type": "task_error", "code": item.code, "param": None}})
