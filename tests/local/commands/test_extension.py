"""Configurations of Firebase extensions become recipes that are valid and variables that name their bucket."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from local.commands.extension import main, migrate, read_env
from shared.domain.recipe.book import load

TODAY = date(2026, 11, 26)
MULTIMODAL = """GENERATIVE_AI_PROVIDER=google-ai
MODEL=gemini-2.5-flash
API_KEY=projects/${param:PROJECT_NUMBER}/secrets/firestore-multimodal-genai-API_KEY/versions/latest
COLLECTION_NAME=generate
PROMPT="Describe {{ dish }} as {\\"json\\": 1}."
IMAGE_FIELD=image
RESPONSE_FIELD=output
LOCATION=europe-west1
VERTEX_AI_PROVIDER_LOCATION=null
TEMPERATURE=0.4
TOP_P=
TOP_K=32
CANDIDATE_COUNT=1
CANDIDATES_FIELD=candidates
HARM_CATEGORY_HATE_SPEECH=BLOCK_ONLY_HIGH
HARM_CATEGORY_HARASSMENT=HARM_BLOCK_THRESHOLD_UNSPECIFIED
"""
SPEECH = """LOCATION=us-central1
EXTENSION_BUCKET=my-project-12345.appspot.com
OUTPUT_STORAGE_PATH=transcriptions
LANGUAGE_CODE=en-US
MODEL=default
"""


def migrated(text: str) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    migration = migrate(read_env(text), "my-project-12345", TODAY)
    assert migration is not None
    (recipe,) = tomllib.loads(migration.recipes)["recipe"]
    return recipe, migration.variables, migration.remarks


def test_the_shipped_configuration_of_multimodal_tasks_becomes_a_recipe() -> None:
    recipe, variables, remarks = migrated(MULTIMODAL)
    assert recipe["prompt"] == 'Describe {metadata.dish} as {{"json": 1}}.'
    assert (recipe["takes"], recipe["model"]) == ("image", "gemini-2.5-flash")
    assert recipe["parameters"] == {"temperature": 0.4, "top_k": 32}
    assert recipe["safety"] == {"hate_speech": "block_only_high"}
    assert 'region     = "europe-west1"' in variables
    assert any("dish" in remark for remark in remarks)


def test_the_shipped_configuration_of_speech_to_text_adopts_its_bucket() -> None:
    recipe, variables, remarks = migrated(SPEECH)
    assert "en-US" in recipe["prompt"]
    assert recipe["use"] == "transcribe"
    assert 'bucket = "my-project-12345.appspot.com"' in variables
    assert 'ignore = ["transcriptions/**"]' in variables
    assert any("results bucket" in remark for remark in remarks)


@pytest.mark.parametrize("model", ["gemini-1.5-pro", "gemini-pro-vision", "no-model"])
def test_a_model_that_is_gone_gives_way_to_the_default(model: str) -> None:
    recipe, _, remarks = migrated(MULTIMODAL.replace("gemini-2.5-flash", model))
    assert "model" not in recipe
    assert any(model in remark for remark in remarks)


def test_the_command_writes_valid_files_and_overwrites_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ext.env").write_text(MULTIMODAL)
    command = [str(tmp_path / "ext.env"), "--project", "my-project-12345", "--out", str(tmp_path)]
    assert main(command) == 0
    assert load((tmp_path / "extension.toml").read_text()).recipes[0].name == "extension"
    (tmp_path / "extension.auto.tfvars").unlink()
    assert main(command) == 1
    assert "nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "extension.auto.tfvars").exists()


def test_the_configuration_of_another_extension_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ext.env").write_text("LOCATION=us-central1\nIMG_SIZES=200x200\n")
    assert main([str(tmp_path / "ext.env"), "--project", "my-project-12345"]) == 1
