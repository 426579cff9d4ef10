"""A report of Terraform's tests is read by their checks: error messages, and names of runs that expect failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terraform import runs

FILE = """\
mock_provider "google" {}

run "made" {}

run "read_by_few" {
  variables {
    inboxes = { one = {} }
  }

  assert {
    condition     = alltrue([for one in [1] : one == 1])
    error_message = "Someone else reads."
  }

  assert {
    condition = (
      true
    )
    error_message = "Someone else writes."
  }
}

run "refused" {
  command = plan

  expect_failures = [
    var.api,
    var.tasks,
  ]
}
"""
REPORT = """\
tests/access.tftest.hcl... in progress
  run "made"... pass
  run "read_by_few"... fail
  run "refused"... fail
tests/access.tftest.hcl... tearing down
tests/access.tftest.hcl... fail

Failure! 1 passed, 2 failed.

Warning: Resource targeting is in effect

  on tests/access.tftest.hcl line 11, in run "read_by_few":

Error: Test assertion failed

  on tests/access.tftest.hcl line 16, in run "read_by_few":
  16:     condition = (

Someone else writes.
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "access.tftest.hcl").write_text(FILE)
    return tmp_path


def test_a_run_checks_its_assertions_and_what_it_expects_to_fail() -> None:
    assert [(run.name, set(run.checks)) for run in runs.runs_in(FILE)] == [
        ("made", set()),
        ("read_by_few", {"read_by_few", "Someone else reads.", "Someone else writes."}),
        ("refused", {"refused", "refused: var.api", "refused: var.tasks"}),
    ]


def test_what_failed_is_told_by_message_and_otherwise_by_the_runs_name(directory: Path) -> None:
    assert runs.was_tested(REPORT)
    assert runs.failures(directory, REPORT) == {"Someone else writes.", "refused"}


def test_what_did_not_refuse_is_told_by_its_run_and_name(directory: Path) -> None:
    line = 1 + FILE[: FILE.index("    var.tasks")].count("\n")
    report = REPORT + (
        f'\nError: Missing expected failure\n\n  on tests/access.tftest.hcl line {line}, in run "refused":\n'
    )
    assert runs.failures(directory, report) == {"Someone else writes.", "refused: var.tasks"}


def test_a_run_that_could_not_be_planned_is_told_by_its_name(directory: Path) -> None:
    report = REPORT.partition("Error:")[0]
    assert runs.failures(directory, report) == {"read_by_few", "refused"}


def test_each_run_of_interest_gets_a_file_of_its_own_with_those_that_prepare_it(directory: Path) -> None:
    runs.keep_only(directory, {"Someone else reads.", "refused"})
    assert [[run.name for run in runs.runs_in(path.read_text())] for path in runs.tests_of(directory)] == [
        ["made", "read_by_few"],
        ["made", "refused"],
    ]
    runs.keep_only(directory, {"invalid"})
    assert runs.tests_of(directory) == []
