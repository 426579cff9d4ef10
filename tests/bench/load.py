"""Send GET requests over many connections, from a process of its own.

`python -m tests.bench.load URL COUNT CONNECTIONS`. Headers come as JSON on standard input. Every answer must have the
status of the first.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp


async def send(url: str, count: int, connections: int, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), headers=headers) as session:
        left = iter(range(count))
        statuses: set[int] = set()

        async def keep_asking() -> None:
            for _ in left:
                async with session.get(url) as answer:
                    await answer.read()
                    statuses.add(answer.status)

        await asyncio.gather(*(keep_asking() for _ in range(connections)))
    if len(statuses) != 1 or not statuses <= {200, 304}:
        raise SystemExit(f"answers: {sorted(statuses)}")


if __name__ == "__main__":
    asyncio.run(send(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.stdin.read() or "{}")))
