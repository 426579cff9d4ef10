"""Plans are made once a session, by the checker that TERRAFORM_CHECK names; without one, test_plan.py is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terraform import checker

collect_ignore = [] if checker.CHECKER else ["test_plan.py"]


def pytest_report_header() -> str | None:
    return None if checker.CHECKER else "terraform: no plan is looked at, for TERRAFORM_CHECK names no checker"


@pytest.fixture(scope="session")
def planned() -> dict[str, Any]:
    """The plan for an empty project with nothing given but what must be."""
    return checker.plan(project_id="acme-files", region="europe-west1")
