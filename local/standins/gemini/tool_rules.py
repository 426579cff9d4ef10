"""Which tools a request may name, and how function calls and their responses must follow each other."""

from __future__ import annotations

import re
from typing import Any

from local.standins.gemini.errors import invalid, unimplemented
from local.standins.gemini.models import Model
from local.standins.gemini.schema_rules import check_json_schema, check_schema

_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MAX_FUNCTIONS = 512
_IN_THE_CLOUD_ONLY = ("googleMaps", "computerUse", "mcpServers")


def check_tools(request: dict[str, Any], model: Model) -> None:
    tools = request.get("tools", [])
    declared = [declaration for tool in tools for declaration in tool.get("functionDeclarations", [])]
    used = {name for tool in tools for name in tool}
    for name in _IN_THE_CLOUD_ONLY:
        if name in used:
            raise unimplemented(f"The tool {name}")
    if "googleSearchRetrieval" in used:
        raise invalid("google_search_retrieval is not supported. Please use google_search tool instead.")
    if "googleSearch" in used and not model.search:
        raise invalid("Search as tool is not enabled for this model")
    if "fileSearch" in used:
        _check_file_search(tools, used, model)
    if "codeExecution" in used and not model.code_execution:
        raise invalid(f"Code execution is not enabled for models/{model.id}")
    if "urlContext" in used and not model.url_context:
        raise invalid("Browse tool is not supported for this model.")
    if declared and not model.functions:
        raise invalid(f"Function calling is not enabled for models/{model.id}")
    if declared and used - {"functionDeclarations"} and not model.third_generation:
        raise invalid("Tool use with function calling is unsupported")
    _check_declarations(tools, len(declared))
    _check_calling(request.get("toolConfig", {}), {declaration.get("name") for declaration in declared})


def _check_file_search(tools: list[dict[str, Any]], used: set[str], model: Model) -> None:
    # The models that read pages behind URLs are those that search files.
    if not model.url_context:
        raise invalid(f"File search is not enabled for models/{model.id}")
    if used & {"googleSearch", "urlContext"}:
        raise invalid("File search cannot be combined with the other search tools.")
    for tool in tools:
        if "fileSearch" in tool and not 0 < len(tool["fileSearch"].get("fileSearchStoreNames", [])) <= 5:
            raise invalid("file_search.file_search_store_names must name 1 to 5 stores.")


def _check_declarations(tools: list[dict[str, Any]], count: int) -> None:
    if count > _MAX_FUNCTIONS:
        raise invalid(f"Up to {_MAX_FUNCTIONS} function declarations are supported, not {count}.")
    names: set[str] = set()
    for tool, declarations in enumerate(entry.get("functionDeclarations", []) for entry in tools):
        for index, declaration in enumerate(declarations):
            path = f"GenerateContentRequest.tools[{tool}].function_declarations[{index}]"
            name = declaration.get("name", "")
            if not _FUNCTION_NAME.fullmatch(name):
                raise invalid(
                    f"* {path}.name: Invalid function name. Must start with a letter or an underscore. Must be "
                    "alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a "
                    "maximum length of 128.\n"
                )
            if name in names:
                raise invalid(f"Duplicate function declaration found: {name}")
            names.add(name)
            if "parameters" in declaration and "parametersJsonSchema" in declaration:
                raise invalid(f"* {path}.parameters: parameters and parameters_json_schema cannot both be set.\n")
            if declaration.get("parameters"):
                check_schema(declaration["parameters"], f"{path}.parameters")
            if "parametersJsonSchema" in declaration:
                check_json_schema(declaration["parametersJsonSchema"], f"{path}.parameters_json_schema")


def _check_calling(config: dict[str, Any], declared: set[str]) -> None:
    calling = config.get("functionCallingConfig", {})
    mode, allowed = calling.get("mode", "MODE_UNSPECIFIED"), calling.get("allowedFunctionNames", [])
    if mode in ("ANY", "VALIDATED") and not declared:
        raise invalid("Function calling config is set without function_declarations.")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise invalid("allowed_function_names can only be set when the function calling mode is ANY or VALIDATED.")
    for index, name in enumerate(allowed):
        if name not in declared:
            path = f"GenerateContentRequest.tool_config.function_calling_config.allowed_function_names[{index}]"
            raise invalid(f"* {path}: {name!r} is not among the function declarations.\n")


def check_function_turns(contents: list[dict[str, Any]], model: Model) -> None:
    calls_before = 0
    for content in contents:
        parts = content.get("parts", [])
        if responses := sum("functionResponse" in part for part in parts):
            if not calls_before:
                raise invalid("Please ensure that function response turn comes immediately after a function call turn.")
            if responses != calls_before:
                raise invalid(
                    "Please ensure that the number of function response parts is equal to the number of function call "
                    "parts of the function call turn."
                )
        calls_before = sum("functionCall" in part for part in parts)
    if calls_before and contents[-1].get("role") == "model":
        raise invalid("Please ensure that function call turn is followed by a function response turn.")
    if model.third_generation:
        _check_signatures(contents)
    if not model.prefill:
        _check_last_turn(contents)


def _check_last_turn(contents: list[dict[str, Any]]) -> None:
    """Raise the 400 of newer models for a last turn of the model, or one with anything after a tool's answer."""
    last: dict[str, Any] = contents[-1] if contents else {}
    answers = ["functionResponse" in part for part in last.get("parts", [])]
    if last.get("role") == "model" or (any(answers) and not answers[-1]):
        raise invalid("Requests ending with a model turn are not supported.")


def _check_signatures(contents: list[dict[str, Any]]) -> None:
    """Raise the 400 unless each step of the current turn returns the signature of its first call (Gemini 3)."""
    with_text = [index for index, turn in enumerate(contents) if any("text" in part for part in turn.get("parts", []))]
    from_user = [index for index in with_text if contents[index].get("role") != "model"]
    for index, content in enumerate(contents):
        calls = [part for part in content.get("parts", []) if "functionCall" in part]
        current = not from_user or index > from_user[-1]
        if current and calls and content.get("role") == "model" and not calls[0].get("thoughtSignature"):
            raise invalid(
                f"Function call is missing a thought_signature in functionCall parts, at contents[{index}]. This is "
                "required for tools to work correctly, and missing thought_signature may lead to degraded model "
                "performance."
            )
