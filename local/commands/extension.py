"""Write recipes and Terraform variables that do what a Firebase extension did, from its configuration.

ENV is the extension's file under extensions/, such as extensions/firestore-multimodal-genai.env. Known are
firestore-multimodal-genai (Multimodal Tasks with the Gemini API) and speech-to-text or storage-transcribe-audio
(Transcribe Speech to Text). Nothing that exists is overwritten.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from shared.domain.models.catalogue import find_model
from shared.domain.recipe.book import check
from shared.domain.recipe.placeholders import literal

_HANDLEBARS = re.compile(r"\{\{\{?\s*([A-Za-z0-9_.-]+)\s*\}?\}\}")
_HARMS = {
    "HARM_CATEGORY_HATE_SPEECH": "hate_speech",
    "HARM_CATEGORY_DANGEROUS_CONTENT": "dangerous_content",
    "HARM_CATEGORY_HARASSMENT": "harassment",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT": "sexually_explicit",
}
_SAMPLING = {"TEMPERATURE": "temperature", "TOP_P": "top_p", "TOP_K": "top_k"}


@dataclass(frozen=True)
class Migration:
    """What replaces an extension, and what its operator should know."""

    recipes: str
    variables: str
    remarks: tuple[str, ...] = field(default=())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight extension", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("env", type=Path, metavar="ENV", help="the extension's .env file")
    parser.add_argument("--project", required=True, help="the Google Cloud project")
    parser.add_argument("--out", type=Path, default=Path("terraform"), metavar="DIR", help="where to write (terraform)")
    args = parser.parse_args(argv)
    migration = migrate(read_env(args.env.read_text()), args.project, datetime.now(UTC).date())
    if migration is None:
        print(f"{args.env} is not of an extension that is known: see --help")  # noqa: T201
        return 1
    files = {args.out / "extension.toml": migration.recipes, args.out / "extension.auto.tfvars": migration.variables}
    if taken := [str(file) for file in files if file.exists()]:
        print(f"{', '.join(taken)} exists: nothing was written")  # noqa: T201
        return 1
    for file, text in files.items():
        file.write_text(text)
    for line in (*(f"wrote {file}" for file in files), *migration.remarks):
        print(line)  # noqa: T201
    return 0


def read_env(text: str) -> dict[str, str]:
    """Return the parameters of an extension's .env file."""
    parameters: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            # Firebase's tools write the parameters' names with or without this prefix.
            plain = value.strip()
            quoted = len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'"
            unquoted = plain[1:-1].replace("\\n", "\n").replace('\\"', '"') if quoted else plain
            parameters[name.strip().removeprefix("param:")] = unquoted
    return parameters


def migrate(parameters: Mapping[str, str], project: str, today: date) -> Migration | None:
    """Return the recipes and variables for an extension's parameters; None for an unknown extension."""
    if "PROMPT" in parameters and "COLLECTION_NAME" in parameters:
        made = _multimodal(parameters, project, today)
    elif "EXTENSION_BUCKET" in parameters and "LANGUAGE_CODE" in parameters:
        made = _speech(parameters, project)
    else:
        return None
    problems = check(made.recipes)
    assert not problems, problems
    return made


def _multimodal(parameters: Mapping[str, str], project: str, today: date) -> Migration:
    named = sorted(set(_HANDLEBARS.findall(parameters["PROMPT"])))
    remarks = ["The answer is in the results bucket, beside GET /v1/tasks?object=gs://…, not in the document."]
    lines = ["[[recipe]]", 'name = "extension"', "for = {}"]
    lines += ['takes = "image"' if parameters.get("IMAGE_FIELD") else 'takes = ["text", "image"]']
    lines += [f"prompt = {_toml(_prompt(parameters['PROMPT']))}"]
    model = parameters.get("MODEL", "").removeprefix("models/")
    if model and find_model(model, today) is not None:
        lines.append(f"model = {_toml(model)}")
    elif model:
        remarks.append(f"{model} is not a model of today: the default model takes its place.")
    sampling = [
        f"{ours} = {float(parameters[theirs]):g}" for theirs, ours in _SAMPLING.items() if parameters.get(theirs)
    ]
    lines += [f"parameters = {{ {', '.join(sampling)} }}"] if sampling else []
    harms = {
        ours: parameters[theirs].lower()
        for theirs, ours in _HARMS.items()
        if parameters.get(theirs, "").startswith("BLOCK_")
    }
    if harms:
        lines.append(f"safety = {{ {', '.join(f'{harm} = {_toml(limit)}' for harm, limit in harms.items())} }}")
    if named:
        remarks.append(f"Give each file the custom metadata that the prompt names: {', '.join(named)}.")
    if int(parameters.get("CANDIDATE_COUNT") or 1) > 1:
        remarks.append("Dropsight asks for one candidate.")
    if parameters.get("GENERATIVE_AI_PROVIDER") == "vertex-ai":
        remarks.append("The extension used Vertex AI. Dropsight needs a key of the Gemini API.")
    variables = _variables(parameters, project, 'files = { recipes = "extension.toml" }')
    return Migration(_joined(lines), variables, tuple(remarks))


def _speech(parameters: Mapping[str, str], project: str) -> Migration:
    language = parameters["LANGUAGE_CODE"]
    prompt = f"Please transcribe this audio file. It is spoken in the language {language} (BCP-47)."
    lines = ["[[recipe]]", 'name = "extension"', 'use = "transcribe"', 'for = { family = "audio" }']
    lines += [f"prompt = {_toml(prompt)}"]
    settings = f'bucket = {_toml(parameters["EXTENSION_BUCKET"])}, recipes = "extension.toml"'
    remarks = ["Transcripts are written to the results bucket: beside a recording they would become tasks."]
    if path := parameters.get("OUTPUT_STORAGE_PATH", "").strip("/"):
        settings += f", ignore = [{_toml(f'{path}/**')}]"
        remarks.append(f"The extension's transcripts under {path}/ are ignored.")
    return Migration(_joined(lines), _variables(parameters, project, f"recordings = {{ {settings} }}"), tuple(remarks))


def _prompt(text: str) -> str:
    """Return a prompt with our placeholders instead of those of Handlebars; other braces are doubled."""
    parts = _HANDLEBARS.split(text)
    return "".join(f"{{metadata.{part}}}" if number % 2 else literal(part) for number, part in enumerate(parts))


def _variables(parameters: Mapping[str, str], project: str, inbox: str) -> str:
    region = parameters.get("LOCATION") or "us-central1"
    return f"project_id = {_toml(project)}\nregion     = {_toml(region)}\ninboxes    = {{ {inbox} }}\n"


def _toml(text: str) -> str:
    """Return a basic string, in a form that HCL reads too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
