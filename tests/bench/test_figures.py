"""What the bench says of its figures."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.__main__ import Report
from tests.bench.figures import Part, Row, agree

SECONDS = Row("drop to completed", "ms", 60.0, 30.0, "≤ 1.8×", clock=True)
CPU = Row("CPU per task", "ms", 20.0, 10.0, "≤ 2.0×")


def test_a_busy_machine_makes_times_on_the_clock_worthless_and_cpu_times_rough() -> None:
    part = Part("both", [SECONDS, CPU], seconds=1.0, others=0.4)
    assert [part.verdict(row) for row in part.rows] == ["worthless: the machine was busy", "met"]
    assert "40%" in part.remark


def test_on_a_quiet_machine_every_figure_is_held_to_its_goal() -> None:
    part = Part("both", [SECONDS, CPU], seconds=1.0, others=0.05)
    assert [part.verdict(row) for row in part.rows] == ["missed", "met"]
    assert part.remark == ""


def test_rounds_agree_if_no_series_spreads_by_more_than_a_twentieth() -> None:
    assert agree([10.0, 10.4], [1.0, 1.0])
    assert not agree([10.0, 10.4], [1.0, 1.2])
    assert not agree([10.0])


def test_the_file_holds_the_parts_so_far(tmp_path: Path) -> None:
    report = Report(tmp_path / "build" / "bench.json", rounds=3)
    for name in ("cpu", "latency"):
        report.add(Part(name, [CPU], seconds=1.0, others=0.0))
        written = json.loads((tmp_path / "build" / "bench.json").read_text())
        assert written["parts"][-1]["name"] == name
    assert [part["name"] for part in written["parts"]] == ["cpu", "latency"]
