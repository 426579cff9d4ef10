"""How long a function's module takes to import, which is most of a cold start that the code decides."""

from __future__ import annotations

import os
import subprocess
import sys

from local.endpoints import PROJECT
from local.workers import ROOT
from tests.bench.figures import Row, middle
from tests.environment import function_environment

_BASELINE_OF = {"ingest": "understand", "generate": "understand", "api": "look_up", "notify": None, "sweep": None}
_GOALS = {"ingest": "≤ 1.0×", "generate": "≤ 1.1×", "api": "≤ 1.0×"}
_PROGRAM = """
import asyncio, functions.{name}.main
from shared import wiring

async def wire():
    wiring.{name}()

asyncio.run(wire())
"""


def cold_start(rounds: int) -> list[Row]:
    """Measure CPU seconds: they differ less from run to run than the time on the clock."""
    programs = {
        **{name: _PROGRAM.format(name=name) for name in _BASELINE_OF},
        "baseline": "import tests.bench.baseline",
    }
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            taken[name].append(_cpu_of(program))
    return [
        Row(
            f"cold start of {name}, CPU",
            "s",
            middle(taken[name]),
            middle(taken["baseline"]) if baseline else None,
            _GOALS.get(name, ""),
        )
        for name, baseline in _BASELINE_OF.items()
    ]


def _cpu_of(program: str) -> float:
    environment = {
        **os.environ,
        **function_environment(),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9",
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
        "DROPSIGHT_QUEUE_ENDPOINT": "127.0.0.1:9",
    }
    before = os.times()
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
