"""The OpenAPI document is true: schemathesis finds no answer that it does not describe, and no server error."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.functions.api.conftest import ROOT, System

CLIENTS = "/v1/(chat|audio|files)"
"""The end points of OpenAI's clients."""

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("which", [("--exclude-path-regex", CLIENTS), ("--include-path-regex", CLIENTS)])
async def test_schemathesis_finds_nothing_that_the_document_does_not_say(
    system: System, tmp_path: Path, which: tuple[str, str]
) -> None:
    secret = await system.key("schemathesis")
    async with system.client(None) as client:
        # Made at the first request, which can take longer than the 10 s that schemathesis waits for it.
        (await client.get("/openapi.json", timeout=120)).raise_for_status()
    # Whether a model can do what is asked lies beyond a schema, so a request that fits it may still be refused.
    options = [
        *which,
        "--header", f"Authorization: Bearer {secret}", "--exclude-checks", "positive_data_acceptance",
        # One worker: Python 3.11 parses no source in two threads at once, which hypothesis does to name its lambdas.
        "--max-examples", "6", "--max-time", "20", "--generation-deterministic", "--no-shrink", "--workers", "1",
        "--request-timeout", "90", "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    hooks = {"SCHEMATHESIS_HOOKS": "tests.functions.api.printable_paths", "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{system.url}/openapi.json", *options,
        cwd=tmp_path, env={**os.environ, **hooks},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_documentation_page_needs_no_script_and_nothing_foreign(system: System) -> None:
    async with system.client(None) as client:
        page = await client.get("/docs")
        described = (await client.get("/openapi.json")).json()
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    operations = {path: operation for path, operation in described["paths"].items() if path.startswith("/v1/")}
    assert all(
        method["security"] == [{"api_key": []}] for operation in operations.values() for method in operation.values()
    )
    assert set(described["paths"]) >= {"/v1/llm/generations", "/v1/tasks/{task_id}", "/v1/models"}
