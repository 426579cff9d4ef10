"""Each built-in recipe can be tried with one command, as docs/recipes.md says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.commands.demo import main
from local.demo_examples import EXAMPLES, SAMPLES, plan_drops
from shared.domain.recipe.book import BUILT_IN, check
from tests import machine
from tests.running import ROOT, Json, Running

pytestmark = pytest.mark.long

RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| .*?`make demo RECIPE=(?P<recipe>[a-z-]+)[^`]*` \|$", re.MULTILINE)


def test_the_example_of_each_recipe_publishes_the_files_of_the_recipe(system: Running) -> None:
    def run_example(name: str) -> Json:
        for drop in plan_drops(name, [], {}):
            uri = system.drop(f"demo-{name}/{drop.file.name}", drop.file, None, **drop.metadata)
        return system.end_of(uri, 60)

    with ThreadPoolExecutor(5) as threads:
        tasks = dict(zip(EXAMPLES, threads.map(run_example, EXAMPLES), strict=True))
    # Files are published once a task has ended.
    system.wait_for_documents(len(EXAMPLES), 60)
    for recipe in BUILT_IN:
        task = tasks[recipe.name]
        assert task["status"] == "completed", task
        assert task["recipe"] == recipe.name
        published = [blob.name for blob in system.results.list_blobs(prefix=f"{system.endpoints.inbox}/demo-")]
        for ending in recipe.outputs:
            assert any(name.endswith(f"{EXAMPLES[recipe.name].sample}.{ending}") for name in published), recipe.name


def test_each_built_in_recipe_has_an_example_and_a_correct_row_of_the_page() -> None:
    assert set(EXAMPLES) == {recipe.name for recipe in BUILT_IN}
    rows = {match["recipe"]: match[0] for match in ROW.finditer(RECIPES)}
    assert set(rows) == set(EXAMPLES)
    for recipe in BUILT_IN:
        *_, takes, makes, _, _ = rows[recipe.name].split("|")
        assert re.findall(r"`\.([\w.]+)`", makes) == list(recipe.outputs), recipe.name
        assert set(re.findall(r"audio|image|PDF|text|video|any", takes)) == _words_of_the_page(set(recipe.takes)), (
            recipe.name
        )


def _words_of_the_page(takes: set[str]) -> set[str]:
    return {"any"} if len(takes) == 5 else {"PDF" if family == "pdf" else family for family in takes}


def test_the_recipe_files_of_the_page_have_no_problem() -> None:
    texts = re.findall(r"```toml\n(.*?)```", RECIPES, re.DOTALL)
    assert texts
    assert [check(text) for text in texts] == [[] for _ in texts]


@pytest.mark.timeout(600)
def test_the_demo_needs_only_the_name_of_a_recipe() -> None:
    run = [sys.executable, "-m", "local", "demo", "--recipe", "compare", "--json"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=machine.allowed(90), check=True)
    beside, task = json.loads(done.stdout)
    assert (beside["recipe"], task["recipe"]) == ("summarise", "compare")
    assert any(uri.endswith("/report.pdf.md") for uri in task["outputs"])


def test_files_and_metadata_of_the_command_line_override_the_example() -> None:
    [drop] = plan_drops("ask", [Path("a.pdf")], {"dropsight-prompt": "Who?"})
    assert drop == (Path("a.pdf"), {"dropsight-prompt": "Who?", "dropsight-recipe": "ask"})
    first, second = plan_drops("compare", [Path("a.pdf"), Path("b.pdf")], {})
    assert first == (Path("b.pdf"), {})
    assert second == (Path("a.pdf"), {"dropsight-recipe": "compare", "dropsight-with": "b.pdf"})
    assert [drop.file for drop in plan_drops("detect", [], {})] == [SAMPLES / "picture.png"]
    assert plan_drops("mine", [Path("a.pdf")], {}) == [(Path("a.pdf"), {"dropsight-recipe": "mine"})]
    assert all(drop.metadata == {} for drop in plan_drops(None, [], {}))


def test_an_unknown_recipe_is_refused_before_the_system_starts() -> None:
    with pytest.raises(SystemExit, match="no recipe is named 'detcet'; there are transcribe, "):
        main(["--recipe", "detcet"])
