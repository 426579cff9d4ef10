"""Functions are started safely from a process that runs gRPC's threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT

FUNCTION = """
import functions_framework.aio

@functions_framework.aio.http
async def hello(request):
    return "hello"
"""
STARTER = """
import asyncio, os, sys
from pathlib import Path
from local.workers import Worker

forks = []
os.register_at_fork(before=lambda: forks.append(1))

async def main():
    worker = Worker("hello", {}, lambda name, record: None, source=Path(sys.argv[1]))
    await worker.url()
    await worker.stop()

asyncio.run(main())
print(len(forks), "grpc" in sys.modules, os.environ["GRPC_ENABLE_FORK_SUPPORT"])
"""


def test_a_function_is_started_without_running_grpcs_fork_handlers(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    source.write_text(FUNCTION)
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    starter = [sys.executable, "-c", STARTER, str(source)]
    done = subprocess.run(starter, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "0"]


def test_importing_the_local_system_turns_grpcs_fork_handlers_off() -> None:
    program = "import local.system, os; print(os.environ['GRPC_ENABLE_FORK_SUPPORT'])"
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_ENABLE_FORK_SUPPORT"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
