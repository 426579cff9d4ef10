"""The tables of inputs and outputs in README.md, from variables.tf and outputs.tf.

`python terraform/tables.py` writes them; with `--check` it only tells whether they are up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent

_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_DESCRIPTION = re.compile(r'^  description = "((?:[^"\\]|\\.)*)"$', re.MULTILINE)
_DEFAULT = re.compile(r"^  default\s+= (.+)$", re.MULTILINE)
_FIELD_DEFAULT = re.compile(r"^    (\w+)\s+= optional\((?:list\(string\)|\w+), (.+)\)$", re.MULTILINE)


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Name and body of each variable or output, in the file's order."""
    for block in _BLOCK.finditer(path.read_text()):
        yield block[2], block[3]


def inputs() -> str:
    rows = ["| variable | what it is | default |", "|---|---|---|"]
    for name, body in blocks(HERE / "variables.tf"):
        default = _DEFAULT.search(body)
        shown = "required" if default is None else f"`{default[1]}`"
        if fields := _FIELD_DEFAULT.findall(body):
            # An object left out has its fields' defaults; another default stands before them.
            shown = ", ".join(
                ([] if shown == "`{}`" else [shown]) + [f"`{field} = {value}`" for field, value in fields]
            )
        rows.append(f"| `{name}` | {_description(name, body)} | {shown} |")
    return "\n".join(rows)


def outputs() -> str:
    rows = ["| output | what it is |", "|---|---|"]
    rows += [f"| `{name}` | {_description(name, body)} |" for name, body in blocks(HERE / "outputs.tf")]
    return "\n".join(rows)


def filled(readme: str) -> str:
    """The README with its tables as they should be."""
    for name, table in (("inputs", inputs()), ("outputs", outputs())):
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        readme, times = between.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", readme)  # type: ignore[misc]
        if times != 1:
            raise ValueError(f"README.md needs one place for the {name}: <!-- {name} --> … <!-- /{name} -->")
    return readme


def _description(name: str, body: str) -> str:
    found = _DESCRIPTION.search(body)
    if found is None:
        raise ValueError(f"{name} has no description of one line")
    return found[1].replace('\\"', '"').replace("|", "\\|")


def main(argv: list[str]) -> int:
    path = HERE / "README.md"
    written = path.read_text()
    wanted = filled(written)
    if argv == ["--check"]:
        return int(written != wanted)
    path.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
