"""What the mutations break stands in the configuration: without Terraform, so that every run of the tests tells."""

from __future__ import annotations

import pytest

from tests.terraform import runs
from tests.terraform.checker import CONFIGURATION
from tests.terraform.mutations import INVALID, Mutation, batches, mutations, place

CHECKS = [
    check
    for path in runs.tests_of(CONFIGURATION)
    for run in runs.runs_in(path.read_text())
    for check in sorted(run.checks)
]


def test_no_two_checks_of_the_configuration_are_told_apart_by_their_place_only() -> None:
    assert len(CHECKS) == len(set(CHECKS))


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_what_is_there_and_names_the_checks_that_catch_it(mutation: Mutation) -> None:
    start, end = place((CONFIGURATION / mutation.file).read_text(), mutation)
    assert start < end
    assert mutation.breaks <= {*CHECKS, INVALID}


def test_what_catches_a_mutation_is_broken_by_no_other_in_its_copy() -> None:
    for batch in batches(mutations()):
        for mutation in batch:
            assert [other.name for other in batch if mutation.caught_by in other.breaks] == [mutation.name]
