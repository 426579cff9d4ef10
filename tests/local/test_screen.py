"""What the commands print fits the terminal and is not changed on the way."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from local import screen

TASK: dict[str, object] = {
    "id": "task-llm-1795709534-n85ei1ws",
    "status": "completed",
    "source": "gs://inbox/a-folder/with-a-long-name/speech.wav",
    "results": [{"choices": [{"message": {"content": "A long answer. " * 20}}]}],
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Replace the commands' terminal by one of 80 columns, and return what it shows."""
    output = io.StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None, emoji=False, soft_wrap=True)
    monkeypatch.setattr(screen, "console", console)
    return output


def test_a_long_answer_shortens_neither_the_id_nor_the_status(terminal: io.StringIO) -> None:
    screen.print_tasks([TASK])
    _, line = terminal.getvalue().splitlines()
    assert line.startswith("task-llm-1795709534-n85ei1ws  completed  gs://inbox/")
    assert len(line.rstrip()) <= 80


def test_brackets_and_colons_of_an_answer_are_printed_as_they_are(terminal: io.StringIO) -> None:
    screen.print_plain("[00:07] a :cat: [bold]")
    assert terminal.getvalue() == "[00:07] a :cat: [bold]\n"
