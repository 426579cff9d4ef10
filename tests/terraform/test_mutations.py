"""What the mutations break stands in the configuration: without Terraform, so that every run of the tests tells."""

from __future__ import annotations

import pytest

from tests.terraform.checker import CONFIGURATION
from tests.terraform.mutations import Mutation, broken, mutations


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_what_is_there_and_names_the_test_that_catches_it(mutation: Mutation) -> None:
    text = (CONFIGURATION / mutation.file).read_text()
    assert broken(text, mutation) != text
    assert (CONFIGURATION / "tests" / f"{mutation.caught_by}.tftest.hcl").exists()
