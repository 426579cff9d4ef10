"""Terraform sets what the functions read, and nothing else: functions.tf against shared/settings.py, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from shared import settings

TERRAFORM = Path(__file__).parents[2] / "terraform"

READS: dict[str, type[BaseSettings]] = {
    "ingest": settings.IngestSettings,
    "generate": settings.GenerateSettings,
    "api": settings.ApiSettings,
    "notify": settings.NotifySettings,
    "sweep": settings.SweepSettings,
}
LOCAL_ONLY = {"clock", "queue_endpoint", "allow_loopback"}
"""Set by the local system, refused or meaningless in the cloud."""
NOT_SETTINGS = {"PYTHONPATH"}

_BLOCK = r"^ *{name} *= \{{\n(.*?)^ *\}}$"
_VARIABLE = re.compile(r"^ *([A-Z][A-Z0-9_]+) *=", re.MULTILINE)


def read_by(function: str) -> set[str]:
    """Names of the variables that a function's settings are read from."""
    names = set()
    for field, info in READS[function].model_fields.items():
        if field in LOCAL_ONLY:
            continue
        alias = info.validation_alias
        names.add(str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"DROPSIGHT_{field.upper()}")
    return names


def set_for(function: str) -> set[str]:
    """Names of the variables that functions.tf sets for a function, plain or from a secret."""
    text = (TERRAFORM / "functions.tf").read_text()
    merged = re.search(rf"^    {function} *= merge\((.*?)(?:^    |, \{{)\}}\)$", text, re.DOTALL | re.MULTILINE)
    assert merged, f"functions.tf does not merge an environment for {function}"
    found = set(_VARIABLE.findall(merged[1]))
    for shared in re.findall(r"local\.(\w+_environment)", merged[1]):
        block = re.search(_BLOCK.format(name=shared), text, re.DOTALL | re.MULTILINE)
        assert block, f"functions.tf has no {shared}"
        found |= set(_VARIABLE.findall(block[1]))
    secrets = re.search(_BLOCK.format(name="function_secrets"), text, re.DOTALL | re.MULTILINE)
    assert secrets
    own = re.search(rf"^ *{function} *= \{{(.*)\}}$", secrets[1], re.MULTILINE)
    assert own, f"functions.tf does not say which secrets {function} is given"
    return found | set(re.findall(r"([A-Z][A-Z0-9_]+) *=", own[1]))


@pytest.mark.parametrize("function", READS)
def test_every_setting_of_a_function_is_set_by_terraform(function: str) -> None:
    assert read_by(function) - set_for(function) == set()


@pytest.mark.parametrize("function", READS)
def test_terraform_sets_nothing_that_the_function_does_not_read(function: str) -> None:
    assert set_for(function) - read_by(function) - NOT_SETTINGS == set()


def test_what_only_the_local_system_sets_is_still_a_setting_of_some_function() -> None:
    known = {field for kind in READS.values() for field in kind.model_fields}
    assert known >= LOCAL_ONLY
