"""The commands that show what was spent and what goes on."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from tests.running import ROOT, Running

pytestmark = pytest.mark.long


def run(system: Running, *words: str) -> str:
    port = system.endpoints.api.rpartition(":")[2]
    assert port.isdigit()
    environment = {**os.environ, "DROPSIGHT_API": system.endpoints.api, "DROPSIGHT_API_KEY": system.endpoints.api_key}
    command = [sys.executable, "-m", "local", *words]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_commands_show_usage_status_and_what_goes_on(system: Running) -> None:
    system.move_to_morning()
    system.end_of(system.drop("shown/a.txt", b"some words", "text/plain"))
    usage = json.loads(run(system, "usage", "--by", "inbox,model", "--json"))
    assert usage["total"]["tasks"] >= 1
    rows = list(csv.DictReader(io.StringIO(run(system, "usage", "--by", "prefix", "--csv"))))
    assert sum(int(row["tasks"]) for row in rows) == usage["total"]["tasks"]
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal(usage["total"]["cost"])
    assert "\t" in run(system, "usage")
    assert "US dollars today" in run(system, "pause")
    assert "paused" in run(system, "status")
    assert json.loads(run(system, "resume", "--json"))["paused"] == []
    seen = json.loads(run(system, "top", "--json"))
    assert seen["states"]["completed"] >= 1
    assert seen["usage"][0]["tasks"] == usage["total"]["tasks"]
    assert "the newest" in run(system, "top", "--once")
