"""terraform/README.md says what the configuration is."""

from __future__ import annotations

import re
from pathlib import Path

from terraform import tables

TERRAFORM = Path(tables.__file__).parent
README = (TERRAFORM / "README.md").read_text()


def test_the_tables_of_inputs_and_outputs_are_up_to_date() -> None:
    assert tables.filled(README) == README, "run `python terraform/tables.py`"


def test_every_variable_and_output_is_in_a_table() -> None:
    for path in sorted(TERRAFORM.glob("*.tf")):
        for name in re.findall(r'^(?:variable|output) "(\w+)"', path.read_text(), re.MULTILINE):
            assert f"| `{name}` |" in README, f"{name} of {path.name} is in no table"


def test_every_file_of_the_configuration_is_told_of() -> None:
    for path in sorted(TERRAFORM.glob("*.tf")):
        assert path.name in {"variables.tf", "outputs.tf"} or f"`{path.name}`" in README


def test_every_skipped_check_has_a_reason() -> None:
    listed = (TERRAFORM / ".checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()
    for before, line in zip(["", *listed], listed, strict=False):
        if line.startswith("  - "):
            assert before.startswith("  # "), f"{line.strip()} is skipped without a reason"
