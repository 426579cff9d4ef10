"""Clients of other makers do their ordinary jobs against the local system; `make test-clients` installs them.

Each is a script that runs in its own environment and fails by an assertion.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, SAMPLES, Running

_HERE = Path(__file__).parent
_PYTHON = ROOT / ".venv-clients" / "bin" / "python"
_NODE_MODULES = _HERE / "node" / "node_modules"
_NODE_SCRIPTS = sorted(path.name for path in (_HERE / "node").glob("with_*.mjs"))
_SCRIPTS = sorted(path.stem for path in (_HERE / "scripts").glob("with_*.py"))


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.mark.skipif(not _PYTHON.exists(), reason="the clients are not installed: make test-clients")
@pytest.mark.parametrize("script", _SCRIPTS)
def test_a_python_client_does_its_job(system: Running, script: str) -> None:
    _run(system, [str(_PYTHON), str(_HERE / "scripts" / f"{script}.py")])


@pytest.mark.skipif(
    not _NODE_MODULES.exists() or shutil.which("node") is None,
    reason="Node or its packages are not installed: make test-clients",
)
@pytest.mark.parametrize("script", _NODE_SCRIPTS)
def test_a_node_client_does_its_job(system: Running, script: str) -> None:
    _run(system, ["node", str(_HERE / "node" / script)])


def _run(system: Running, command: list[str]) -> None:
    uri = system.drop("clients/speech.wav", SAMPLES / "speech.wav", "audio/wav")
    system.end_of(uri)
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "DROPSIGHT_URL": system.endpoints.api,
        "DROPSIGHT_KEY": system.endpoints.api_key,
        "DROPSIGHT_OBJECT": uri,
        "DROPSIGHT_SAMPLES": str(SAMPLES),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
