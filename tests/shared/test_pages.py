"""The pages agree with the code: tables, links, commands, targets, paths."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from local.__main__ import _COMMANDS, _STAND_INS
from shared.domain.errors import FailureCode, WaitingReason
from shared.domain.media.kinds import KINDS
from shared.domain.media.limits import GEMINI
from shared.domain.models.catalogue import catalogue
from shared.domain.recipe.definition import MetadataKey

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return the text under a heading, up to the next heading."""
    return re.split(r"^#+ ", text(page).partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(table: str) -> list[str]:
    """Return the code words in the first column of a table."""
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def commands() -> Iterator[tuple[str, str]]:
    """Yield each page with each of its lines that runs the command."""
    for page in PAGES:
        for _, block in FENCE.findall(text(page)):
            for line in block.splitlines():
                if match := re.search(r"(?:^|[ $/(])dropsight (?P<words>[a-z].*)", line.partition("  #")[0]):
                    yield page, match["words"]


def test_the_readme_has_fewer_than_200_lines() -> None:
    assert len(text("README.md").splitlines()) < 200


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_to_a_file_and_heading(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.is_file(), target
        if not anchor:
            continue
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_every_command_of_the_pages_exists() -> None:
    named = {re.split(r"[^a-z-]", words)[0] for _, words in commands()}
    assert named <= {*_COMMANDS, *_STAND_INS}
    assert {"up", "drop", "tasks", "show", "env", "sweep", "keys", "recipes", *_STAND_INS} <= named


def test_every_target_of_the_pages_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", text("Makefile"), re.MULTILINE))
    named = {line.split()[0] for page in PAGES for line in re.findall(r"`?make ([a-z -]+)", text(page)) if line.split()}
    assert {"demo", "test", "setup", "check", "fix", "lock", "deploy", "package"} <= targets
    assert {name for name in named if f"`make {name}" in "".join(map(text, PAGES))} <= targets


def test_every_waiting_reason_and_failure_code_has_its_row() -> None:
    waits = first_cells(section("docs/operations.md", "Why a task waits"))
    assert sorted(word for word in waits if "." not in word) == sorted(get_args(WaitingReason))
    fails = first_cells(section("docs/operations.md", "Why a task failed"))
    assert sorted(word for word in fails if "." not in word) == sorted(get_args(FailureCode))


def test_every_path_of_the_control_server_has_its_row() -> None:
    spec = find_spec("local.control")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    served: dict[str, set[str]] = {}
    for path, method in re.findall(r'\("(/[a-z/-]*)", "([A-Z]+)", self\.', source):
        served.setdefault(path, set()).add(method)
    listed: dict[str, set[str]] = {}
    for line in section("docs/standins.md", "The control server").splitlines():
        if line.startswith("| `/"):
            _, paths, methods, *_ = line.split("|")
            for path in re.findall(r"`(/[^`]+)`", paths):
                listed[path] = set(methods.replace(",", " ").split())
    assert listed == served


def test_the_limits_are_those_of_the_code() -> None:
    page = text("docs/limits.md")
    assert f"| a file | {GEMINI.file_bytes >> 30} GB |" in page
    assert f"| a PDF | {GEMINI.pdf_bytes >> 20} MB;" in page
    assert f"{GEMINI.pdf_pages:,} pages" in page
    assert f"{GEMINI.audio_seconds / 3600:g} hours" in page
    assert f"| pictures of one question | {GEMINI.images:,} |" in page


@pytest.mark.parametrize("family", ["audio", "image", "video"])
def test_every_accepted_type_is_listed(family: str) -> None:
    [row] = [line for line in text("docs/limits.md").splitlines() if line.startswith(f"| {family} |")]
    listed = {word.split()[0] for word in row.split("|")[2].split(", ")}
    assert {word.strip() for word in listed} == {
        kind.mime.partition("/")[2] for kind in KINDS.values() if kind.family == family
    }


def test_every_metadata_key_is_listed() -> None:
    listed = {name.removeprefix("dropsight-") for name in re.findall(r"`(dropsight-[a-z-]+)`", text("docs/recipes.md"))}
    assert listed == {key.replace("_", "-") for key in get_args(MetadataKey)}


def test_the_api_page_names_the_default_model() -> None:
    assert f"default, `{catalogue().default}`" in text("docs/api.md")


def test_the_changelog_has_a_place_for_the_next_version_and_names_this_one() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    headings = re.findall(r"^## \[(.+?)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    for name in re.findall(r"`((?:shared|functions|local|tests|terraform|docs)/[\w./-]*)`", text(page)):
        assert (ROOT / name).exists(), name
