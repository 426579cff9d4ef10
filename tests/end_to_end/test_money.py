"""What tasks cost, counted by the stand-in, by the tasks' ledgers and by the totals: all three agree."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.chaos.promises import settle
from tests.running import ROOT, SAMPLES, Running

SAMPLE_FILES = ("speech.wav", "speech.flac", "report.pdf", "picture.png", "photo.jpg", "clip.mp4", "notes.txt")
COUNTED = {"prompt_tokens": "prompt_tokens", "cached_tokens": "cached_tokens", "answer_tokens": "answer_tokens"}


def billed(system: Running) -> Counter[str]:
    stats = system.control("GET", "/stats").get("gemini", {})
    names = (*COUNTED, "thought_tokens")
    return Counter({name: stats.get(name, 0) for name in names})


def in_ledgers(tasks: list[Any]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for task in tasks:
        for call in task["usage"]["rounds"]:
            for name in COUNTED:
                counted[name] += call[name]
            counted["thought_tokens"] += call["thinking_tokens"]
    return counted


def run(system: Running, *words: str) -> str:
    port = system.endpoints.api.rpartition(":")[2]
    assert port.isdigit()
    environment = {**os.environ, "DROPSIGHT_API": system.endpoints.api, "DROPSIGHT_API_KEY": system.endpoints.api_key}
    command = [sys.executable, "-m", "local", *words]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_ledgers_totals_and_the_stand_in_agree_token_for_token(system: Running) -> None:
    before = billed(system)
    system.control("PUT", "/events", {"copies": 5})
    for number in range(3):
        for name in SAMPLE_FILES:
            system.drop(f"round-{number}/{name}", SAMPLES / name)
    system.wait_for_all(21, 120)
    system.model(finish_reason="MAX_TOKENS", chunks=3)
    system.drop("continued/long.txt", b"some long text", "text/plain")
    system.wait_for_all(22, 60)
    system.model(finish_reason=None, chunks=None)
    # Killed once the answer is stored: a takeover finds it and pays for no other.
    system.fault("storage", "/upload/storage/v1/b/dropsight-results", kill="after", times=1)
    system.drop("killed/once.txt", b"some words", "text/plain")
    settle(system, 23)
    tasks = system.tasks()
    assert len(tasks) == 23
    assert in_ledgers(tasks) == billed(system) - before
    killed = next(task for task in tasks if "killed/" in task["source"])
    assert [attempt["reason"] for attempt in killed["usage"]["attempts"]] == ["worker_lost"]
    total = system.http.get("/v1/usage").json()["total"]
    assert total["tasks"] == 23
    assert Decimal(total["cost"]) == sum(Decimal(task["usage"]["cost"]) for task in tasks)
    assert total["prompt_tokens"] == sum(task["usage"]["prompt_tokens"] for task in tasks)


def test_the_commands_show_usage_status_and_what_goes_on(system: Running) -> None:
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
