"""What a run measured: rows with ours, the baseline's, their ratio and the goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    part: str
    what: str
    unit: str
    ours: float
    baseline: float | None = None
    goal: str = ""
    """Which ratio, or which value of ours, is aimed at: `≤ 2.0×`, `≥ 4×`, `≤ 48`."""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        if not self.goal:
            return None
        sign, _, limit = self.goal.partition(" ")
        value = self.ratio if limit.endswith("×") else self.ours
        if value is None:
            return None
        return value <= float(limit.rstrip("×")) if sign == "≤" else value >= float(limit.rstrip("×"))


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows]


def as_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| | Dropsight | baseline | ratio | goal | |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        baseline = "" if row.baseline is None else f"{_number(row.baseline)} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        met = {True: "met", False: "missed", None: ""}[row.met]
        lines.append(f"| {row.what} | {_number(row.ours)} {row.unit} | {baseline} | {ratio} | {row.goal} | {met} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
