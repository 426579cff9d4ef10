"""Calls by OpenAI's own client, and the tasks that they made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from tests.functions.api.conftest import REQUESTS, System


@asynccontextmanager
async def openai_client(system: System, key_id: str, **key: Any) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{system.url}/v1", api_key=await system.key(key_id, **key), max_retries=0, timeout=90
    ) as client:
        yield client


async def tasks_of(system: System, key_id: str) -> list[dict[str, Any]]:
    async with system.client(await system.key(key_id)) as client:
        listed: list[dict[str, Any]] = (await client.get("/v1/tasks")).json()["data"]
        return listed


async def uploads_of(system: System, key_id: str) -> list[str]:
    def listed() -> list[str]:
        return [blob.name for blob in system.objects.list_blobs(REQUESTS, prefix=f"uploads/{key_id}/")]

    return await asyncio.to_thread(listed)
