"""What a run measured: rows with ours, the baseline's, their ratio and the goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    what: str
    unit: str
    ours: float
    baseline: float | None = None
    goal: str = ""
    """Which ratio, or which value of ours, is aimed at: `≤ 2.0×`, `≥ 4×`, `≤ 48`."""
    clock: bool = False
    """Whether the figure is time on the clock, or is made of it, and not CPU time or a count."""

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


@dataclass(frozen=True)
class Part:
    """The rows of one part, how long it took, and what share of the processors other programs used meanwhile."""

    name: str
    rows: Sequence[Row]
    seconds: float
    others: float

    @property
    def remark(self) -> str:
        """What noise did to the part's figures; empty if the machine was quiet."""
        if self.others <= _QUIET:
            return ""
        clock = "Times on the clock are worthless, " if any(row.clock for row in self.rows) else ""
        return f"Other programs used {self.others:.0%} of the processors: {clock}CPU times are rough."

    def verdict(self, row: Row) -> str:
        if row.clock and self.remark:
            return "worthless: the machine was busy"
        return {True: "met", False: "missed", None: ""}[row.met]


_QUIET = 0.15
"""Share of the processors that others may use before times on the clock are worth nothing."""


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def agree(*series: Sequence[float]) -> bool:
    """Return whether the rounds so far differ so little that another would tell nothing new."""
    return all(len(values) > 1 and max(values) - min(values) <= _SPREAD * middle(values) for values in series)


_SPREAD = 0.05


def as_json(parts: Sequence[Part]) -> list[dict[str, object]]:
    return [
        {
            "name": part.name,
            "seconds": round(part.seconds, 1),
            "others": round(part.others, 3),
            "remark": part.remark,
            "rows": [
                {**asdict(row), "ratio": row.ratio, "met": row.met, "verdict": part.verdict(row)} for row in part.rows
            ],
        }
        for part in parts
    ]


def as_table(parts: Sequence[Part]) -> str:
    """Return the rows of all parts as one table in Markdown."""
    lines = ["| | Dropsight | baseline | ratio | goal | |", "|---|--:|--:|--:|--:|---|"]
    for part in parts:
        for row in part.rows:
            baseline = "" if row.baseline is None else f"{_number(row.baseline)} {row.unit}"
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            cells = (row.what, f"{_number(row.ours)} {row.unit}", baseline, ratio, row.goal, part.verdict(row))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
