"""Ask about every file of a folder that has an expected answer beside it, compare, and print the scores.

The expected answer of talk.wav is talk.wav.expected.txt (compared by words), invoice.pdf.expected.json (by fields) or
list.png.expected.csv (by cells). Every file is one task of the system: it costs what a dropped file costs.

Exit status: 0 if every task completed and the mean score is at least --least, else 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.markup import escape

from local import screen, target
from local.client import Client
from local.commands.drop import parse_metadata, wait_for_end
from local.judging import Kind, Score, compare

_MARK = ".expected."
_KINDS: tuple[Kind, ...] = ("json", "txt", "csv")


class Case(NamedTuple):
    file: Path
    expected: Path
    kind: Kind


class Judged(BaseModel):
    """One file's result, as `--save` writes it."""

    model_config = ConfigDict(frozen=True)

    file: str
    task: str
    status: str
    kind: Kind
    score: float
    """0 to 1: the share that is right, compared tolerantly. A failed task has 0."""
    exact: float
    """The share that is right, compared exactly."""
    differences: tuple[str, ...] = ()
    error: str | None = None
    model: str | None = None
    tokens: int = 0
    cost: str | None = None
    """US dollars; None if the system does not say."""
    seconds: float | None = None
    """From the drop to the end of the task."""


class Run(BaseModel):
    """A judged folder, as `--save` writes it and `--against` reads it."""

    folder: str
    recipe: str | None
    judged: tuple[Judged, ...]

    @property
    def mean(self) -> float:
        return sum(result.score for result in self.judged) / len(self.judged)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight judge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--recipe", metavar="NAME", help="the recipe to judge (default: the one that the rules choose)")
    parser.add_argument("--meta", action="append", default=[], metavar="K=V", help="custom metadata; may be repeated")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the run as JSON, to compare later runs with")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a saved run: show what became better or worse")
    parser.add_argument("--least", type=float, default=0.0, metavar="SHARE", help="the lowest mean score (0 to 1)")
    parser.add_argument("--timeout", type=float, default=600, help="how many seconds to wait for a task (default 600)")
    parser.add_argument("--json", action="store_true", help="print the run as JSON")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    cases = find_cases(args.folder)
    before = _load_run(args.against) if args.against else None
    metadata = parse_metadata(args.meta) | ({"dropsight-recipe": args.recipe} if args.recipe else {})
    with Client(target.choose_target(args)) as client:
        judged = _judge(client, cases, metadata, args.timeout)
    run = Run(folder=str(args.folder), recipe=args.recipe, judged=judged)
    if args.save:
        args.save.write_text(run.model_dump_json(indent=2) + "\n")
    if args.json:
        screen.print_json(run.model_dump(mode="json") | {"mean": run.mean})
    else:
        _print_run(run, before)
    passed = all(result.status == "completed" for result in judged) and run.mean >= args.least
    return 0 if passed else 1


def find_cases(folder: Path) -> list[Case]:
    """Return the files that have an expected answer beside them, by name. Exits if there are none, or one is alone."""
    if not folder.is_dir():
        raise SystemExit(f"no such folder: {folder}")
    cases = []
    for expected in sorted(path for path in folder.iterdir() if _MARK in path.name):
        name, _, ending = expected.name.rpartition(_MARK)
        if ending not in _KINDS:
            raise SystemExit(f"{expected}: an expected answer ends in {', '.join(_MARK + kind for kind in _KINDS)}")
        if not (folder / name).is_file():
            raise SystemExit(f"{expected}: there is no file {name} beside it")
        cases.append(Case(folder / name, expected, ending))
    if not cases:
        raise SystemExit(f"{folder} has no expected answers: put talk.wav.expected.txt beside talk.wav")
    for case in cases:
        # What cannot be compared is told before anything is paid for.
        _score(case, "")
    return cases


def _judge(client: Client, cases: list[Case], metadata: dict[str, str], timeout: float) -> tuple[Judged, ...]:
    """Drop every file into a folder of its own run, and compare the answers as the tasks end."""
    folder = f"judge/{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    names = dict.fromkeys(case.file for case in cases)
    uris = {file: client.drop_file(file, f"{folder}/{file.name}", metadata) for file in names}
    ids = {file: str(client.wait_for_task_of(uri)["id"]) for file, uri in uris.items()}
    judged = []
    for number, case in enumerate(cases, 1):
        task = wait_for_end(client, ids[case.file], timeout)
        judged.append(judge_task(case, task))
        screen.print_progress(f"{number} of {len(cases)}: {case.file.name} {judged[-1].score:.0%}")
    return tuple(judged)


def judge_task(case: Case, task: dict[str, object]) -> Judged:
    """Compare a task's first answer with the expected one. A task that failed or has not ended scores 0."""
    usage = cast(dict[str, Any], task.get("usage") or {})
    error = task.get("error")
    score = _score(case, _answer_text(task)) if task["status"] == "completed" else Score(0, 0, 1)
    completed, created = task.get("completed_at"), task.get("created")
    return Judged(
        file=case.file.name,
        task=str(task["id"]),
        status=str(task["status"]),
        kind=case.kind,
        score=score.share,
        exact=score.exact_share,
        differences=score.differences,
        error=f"{error['code']}: {error['message']}" if isinstance(error, dict) else None,
        model=cast(str | None, task.get("model")),
        tokens=int(usage.get("total_tokens") or 0),
        cost=cast(str | None, usage.get("cost")),
        seconds=float(str(completed)) - float(str(created)) if completed and created else None,
    )


def _answer_text(task: dict[str, object]) -> str:
    results = task.get("results")
    return str(results[0]["choices"][0]["message"]["content"] or "") if isinstance(results, list) and results else ""


def _score(case: Case, answer: str) -> Score:
    try:
        return compare(case.kind, case.expected.read_text("utf-8-sig"), answer)
    except ValueError as error:
        raise SystemExit(f"{case.expected} cannot be compared with: {error}") from error


def _load_run(file: Path) -> Run:
    try:
        return Run.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SystemExit(f"{file}: {error.strerror}") from error
    except ValidationError as error:
        raise SystemExit(f"{file} is not a saved run: {error.errors()[0]['msg']}") from error


def _print_run(run: Run, before: Run | None) -> None:
    earlier = {(result.file, result.kind): result for result in before.judged} if before else {}
    table = screen.make_table("file", "score", "exact", *(["change"] if before else []), "tokens", flexible=("first",))
    for result in run.judged:
        change = [_change(result, earlier.get((result.file, result.kind)))] if before else []
        first = result.error or next(iter(result.differences), "")
        row = [result.file, f"{result.score:.1%}", f"{result.exact:.1%}", *change, f"{result.tokens:,}", first]
        table.add_row(*map(escape, row))
    screen.console.print(table)
    screen.print_plain(_summary(run, before))


def _change(result: Judged, earlier: Judged | None) -> str:
    return "new" if earlier is None else f"{100 * (result.score - earlier.score):+.1f}"


def _summary(run: Run, before: Run | None) -> str:
    tokens = sum(result.tokens for result in run.judged)
    against = f" ({100 * (run.mean - before.mean):+.1f} points against {before.mean:.1%})" if before else ""
    failed = sum(result.status != "completed" for result in run.judged)
    sentences = [f"{len(run.judged)} files, mean score {run.mean:.1%}{against}, {tokens:,} tokens"]
    if costs := _costs(run.judged):
        sentences.append(f"${sum(costs):.4f}")
    if failed:
        sentences.append(f"{failed} did not complete")
    return ", ".join(sentences)


def _costs(judged: Iterable[Judged]) -> list[float]:
    return [float(result.cost) for result in judged if result.cost is not None]
