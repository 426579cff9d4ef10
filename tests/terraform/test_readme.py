"""terraform/README.md says what the configuration is."""

from __future__ import annotations

import json
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


def test_the_table_of_accounts_names_their_grants_on_buckets() -> None:
    verbs = {"objectViewer": "read", "objectCreator": "add objects to", "objectUser": "write"}
    places = {"document_inboxes": "inboxes with `documents`", "source": "the operator's recipes"}
    granted: dict[str, dict[str, list[str]]] = {}
    for grant in json.loads((TERRAFORM / "storage_grants.json").read_text()):
        verb, bucket = verbs[grant["role"].removeprefix("roles/storage.")], grant["bucket"]
        # Recipes lie in the bucket of the functions' source, and nothing else there is granted.
        under = f" under `{grant['under']}`" if "under" in grant and bucket != "source" else ""
        granted.setdefault(grant["account"], {}).setdefault(verb, []).append(places.get(bucket, bucket) + under)
    for account, by_verb in granted.items():
        row = re.search(rf"^\| `{account}` \| (.+) \|$", README, re.MULTILINE)
        assert row is not None, account
        told = {clause for clause in row[1].split("; ") if re.search("inboxes|requests|results|recipes", clause)}
        assert told == {f"{verb} {_listed(on)}" for verb, on in by_verb.items()}


def _listed(places: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(places[:-1]), places[-1])))


def test_every_skipped_check_has_a_reason() -> None:
    listed = (TERRAFORM / ".checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()
    for before, line in zip(["", *listed], listed, strict=False):
        if line.startswith("  - "):
            assert before.startswith("  # "), f"{line.strip()} is skipped without a reason"
