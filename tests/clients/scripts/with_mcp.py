"""The official MCP client: lists and calls the tools, reads resources, and is told what it did wrong."""

import asyncio
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL, KEY, OBJECT = os.environ["DROPSIGHT_URL"], os.environ["DROPSIGHT_KEY"], os.environ["DROPSIGHT_OBJECT"]


async def main() -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=90) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http)) as client,
    ):
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"understand", "get_task", "list_tasks", "cancel_task"}, names
        answer = await client.call_tool("understand", {"uri": OBJECT, "question": "What is said here?"})
        assert not answer.is_error, answer
        assert answer.content[0].text, answer
        task = answer.structured_content["id"]
        assert answer.structured_content["status"] == "completed", answer
        again = await client.call_tool("get_task", {"task_id": task})
        assert again.structured_content["answer"] == answer.structured_content["answer"]
        listed = await client.call_tool("list_tasks", {"limit": 5})
        assert task in [each["id"] for each in listed.structured_content["tasks"]]
        ended = await client.call_tool("cancel_task", {"task_id": task})
        assert ended.structured_content["status"] == "completed"
        wrong = await client.call_tool("understand", {"uri": OBJECT})
        assert wrong.is_error, wrong
        resources = (await client.list_resources()).resources
        assert f"dropsight://tasks/{task}" in [str(resource.uri) for resource in resources]
        read = await client.read_resource(f"dropsight://tasks/{task}")
        assert task in read.contents[0].text
        outputs = [str(resource.uri) for resource in resources if "/outputs/" in str(resource.uri)]
        assert outputs
        assert (await client.read_resource(outputs[0])).contents


asyncio.run(main())
