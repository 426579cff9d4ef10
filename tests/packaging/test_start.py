"""Every function comes up from the archive, with nothing but requirements.txt's packages, and answers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.packaging.conftest import ENVIRONMENT, Serve
from tests.packaging.deployed import closure

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(main.parent.name for main in ROOT.glob("functions/*/main.py"))

_EVENT = {
    "ce-id": "1",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/acme-inbox",
    "ce-specversion": "1.0",
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "content-type": "application/json",
}


def answer(url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=90) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def words_printed_by(code: str, function: str, unpacked: Path) -> list[str]:
    """Run a program in the unpacked archive, with the function's name as its argument."""
    ran = subprocess.run(
        [sys.executable, "-c", code, function],
        cwd=unpacked,
        env={**ENVIRONMENT, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_from_the_archive_and_answers(function: str, serve: Serve) -> None:
    with serve(function) as url:
        match function:
            case "api":
                status, body = answer(f"{url}/health")
                assert (status, json.loads(body)) == (200, {"status": "ok"})
            case "ingest":
                status, _ = answer(url, body=b'{"bucket": "acme-inbox"}', headers=_EVENT)
                assert 200 <= status < 300, "a malformed event is recorded, not delivered again"
            case _:
                status, _ = answer(url, body=b'{"surplus": 1}', headers={"content-type": "application/json"})
                assert 200 <= status < 500


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_loads_the_libraries_that_look_into_files(function: str, unpacked: Path) -> None:
    """Only the examiner's child does: they would cost each cold start, and a fault in them would end the worker."""
    code = (
        "import asyncio, sys, runpy; from shared import wiring\n"
        "runpy.run_path(f'functions/{sys.argv[1]}/main.py')\n"
        "async def wire(): getattr(wiring, sys.argv[1])()\n"  # As in a request: some clients need the event loop.
        "asyncio.run(wire())\n"
        "print(*sorted(sys.modules))"
    )
    loaded = words_printed_by(code, function, unpacked)
    assert not {"av", "pypdfium2", "pypdfium2_raw", "shared.examiner_child"}.intersection(loaded)
    assert ("shared.examiner" in loaded) == (function == "generate")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_garbage_is_collected_once_a_function_is_loaded_but_not_among_what_it_imports(
    function: str, unpacked: Path
) -> None:
    code = (
        "import gc, runpy, sys; before = gc.get_stats()[2]['collections']\n"
        "runpy.run_path(f'functions/{sys.argv[1]}/main.py')\n"
        "print(gc.get_stats()[2]['collections'] - before, gc.isenabled(), gc.get_freeze_count() > 100_000)"
    )
    assert words_printed_by(code, function, unpacked) == ["0", "True", "True"]


def test_packages_that_are_not_deployed_cannot_be_imported(unpacked: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from deployed import OnlyDeployed\n"
        "sys.meta_path.insert(0, OnlyDeployed(open('requirements.txt').read()))\n"
        "import google.cloud.firestore, fastapi\n"
        "import pytest"
    )
    launcher = str(Path(__file__).parent)
    ran = subprocess.run([sys.executable, "-c", code, launcher], cwd=unpacked, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "pytest is not deployed" in ran.stderr.splitlines()[-1]


def test_the_closure_of_the_requirements_follows_what_packages_need_and_the_extras_asked_for() -> None:
    found = closure((ROOT / "requirements.txt").read_text())
    assert {"functions-framework", "google-genai", "gunicorn", "grpcio-status"} <= found
    assert "pytest" not in found
