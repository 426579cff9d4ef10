"""What the service refuses about a request that is well-formed: ranges, roles, and what the model cannot do."""

from __future__ import annotations

from typing import Any

from local.standins.gemini.errors import invalid
from local.standins.gemini.models import Model
from local.standins.gemini.schema_rules import check_json_schema, check_schema
from local.standins.gemini.thinking import check_thinking
from local.standins.gemini.tool_rules import check_function_turns, check_tools
from local.standins.gemini.word_times import check_transcription

_MIME_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_MAX_CANDIDATES = 8
_MAX_STOP_SEQUENCES = 5


def check(request: dict[str, Any], model: Model) -> None:
    check_contents(request)
    if "systemInstruction" in request and model.outputs != {"text"}:
        raise invalid(f"Developer instruction is not enabled for models/{model.id}")
    config = request.get("generationConfig", {})
    _check_sampling(config, model)
    _check_lengths(config, model)
    _check_format(config, request, model)
    check_transcription(config.get("audioTranscriptionConfig"), model)
    check_thinking(config.get("thinkingConfig", {}), model)
    _check_modalities(config, model)
    check_tools(request, model)
    check_function_turns(request.get("contents", []), model)


def check_contents(request: dict[str, Any], owner: str = "GenerateContentRequest") -> None:
    contents = request.get("contents", [])
    if not contents:
        raise invalid(f"* {owner}.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        if content.get("role", "user") not in ("user", "model", "function", ""):
            raise invalid("Please use a valid role: user, model.")
        _check_parts(content, f"{owner}.contents[{index}]")
    if "systemInstruction" in request:
        _check_parts(request["systemInstruction"], f"{owner}.system_instruction")


def _check_parts(content: dict[str, Any], path: str) -> None:
    parts = content.get("parts", [])
    if not parts:
        raise invalid(f"* {path}.parts: contents.parts must not be empty.\n")
    about = {"videoMetadata", "mediaResolution", "partMetadata"}
    for index, part in enumerate(parts):
        at = f"* {path}.parts[{index}]"
        if not part.keys() - about:
            raise invalid(f"{at}.data: required oneof field 'data' must have one initialized field\n")
        if "inlineData" in part and not part["inlineData"].get("data"):
            raise invalid(f"{at}.inline_data.data: data must not be empty.\n")
        if "fileData" in part and not part["fileData"].get("fileUri"):
            raise invalid(f"{at}.file_data.file_uri: file_uri must not be empty.\n")
        if "videoMetadata" in part and not 0 < part["videoMetadata"].get("fps", 1.0) <= 24:
            raise invalid(f"{at}.video_metadata.fps: fps must be in the range (0.0, 24.0].\n")


def _refuse(field: str, words: str) -> None:
    raise invalid(f"* GenerateContentRequest.generation_config.{field}: {words}\n")


def _check_sampling(config: dict[str, Any], model: Model) -> None:
    if not 0 <= config.get("temperature", 0) <= 2:
        _refuse("temperature", "temperature must be in the range [0.0, 2.0].")
    if not 0 <= config.get("topP", 0) <= 1:
        _refuse("top_p", "top_p must be in the range [0.0, 1.0].")
    if config.get("topK", 1) < 1:
        _refuse("top_k", "top_k must be positive.")
    for field, name in (("presencePenalty", "presence_penalty"), ("frequencyPenalty", "frequency_penalty")):
        if not -2 <= config.get(field, 0) < 2:
            _refuse(name, f"{name} must be in the range [-2.0, 2.0).")
        if not model.penalties and config.get(field):
            raise invalid(f"Penalty is not enabled for models/{model.id}")
    most = 1 if model.fourth_generation else _MAX_CANDIDATES
    if not 1 <= config.get("candidateCount", 1) <= most:
        _refuse("candidate_count", f"candidate_count must be in the range [1, {most}].")


def _check_lengths(config: dict[str, Any], model: Model) -> None:
    limit = config.get("maxOutputTokens", 1)
    if limit < 1:
        _refuse("max_output_tokens", "max_output_tokens must be positive.")
    if limit > model.output_token_limit:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the supported range is "
            f"from 1 (inclusive) to {model.output_token_limit + 1} (exclusive). Update the value and try again."
        )
    stops = config.get("stopSequences", [])
    if len(stops) > _MAX_STOP_SEQUENCES:
        _refuse("stop_sequences", f"The number of stop sequences must not exceed {_MAX_STOP_SEQUENCES}.")
    if "" in stops:
        _refuse(f"stop_sequences[{stops.index('')}]", "stop sequences must not be empty.")
    if model.thinking != "no" and ("logprobs" in config or config.get("responseLogprobs")):
        raise invalid(f"Logprobs is not enabled for models/{model.id}")


def _check_format(config: dict[str, Any], request: dict[str, Any], model: Model) -> None:
    mime_type = config.get("responseMimeType") or "text/plain"
    if mime_type not in _MIME_TYPES:
        allowed = ", ".join(f"`{name}`" for name in _MIME_TYPES)
        _refuse("response_mime_type", f"allowed mimetypes are {allowed}.")
    declared = any("functionDeclarations" in tool for tool in request.get("tools", []))
    if mime_type != "text/plain":
        if not model.structured:
            raise invalid(f"JSON mode is not enabled for models/{model.id}")
        if declared and not model.third_generation:
            raise invalid(f"Function calling with a response mime type: {mime_type!r} is unsupported")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        _refuse("response_json_schema", "response_schema and response_json_schema cannot both be set.")
    if schemas and mime_type not in ("application/json", "text/x.enum"):
        _refuse("response_schema", "only allowed with the response_mime_type `application/json` or `text/x.enum`.")
    if mime_type == "text/x.enum" and not schemas:
        _refuse("response_schema", "required with the response_mime_type `text/x.enum`.")
    if "responseSchema" in config:
        check_schema(config["responseSchema"], "GenerateContentRequest.generation_config.response_schema")
        if mime_type == "text/x.enum" and not config["responseSchema"].get("enum"):
            _refuse("response_schema", "must be a STRING with an enum for the response_mime_type `text/x.enum`.")
    if "responseJsonSchema" in config:
        check_json_schema(config["responseJsonSchema"], "GenerateContentRequest.generation_config.response_json_schema")


def _check_modalities(config: dict[str, Any], model: Model) -> None:
    requested = {name for name in config.get("responseModalities", []) if name != "MODALITY_UNSPECIFIED"}
    allowed: list[set[str]] = [{"TEXT"}]
    if "image" in model.outputs:
        allowed = [{"TEXT"}, {"TEXT", "IMAGE"}, {"IMAGE"}]
    elif model.outputs == {"audio"}:
        allowed = [{"AUDIO"}]
        requested = requested or {"TEXT"}
    if requested and requested not in allowed:
        combinations = "".join(f"* {', '.join(sorted(names, reverse=True))}\n" for names in allowed)
        raise invalid(
            f"The requested combination of response modalities ({', '.join(sorted(requested))}) is not supported by "
            f"the model. models/{model.id} accepts the following combinations of response modalities:\n{combinations}"
        )
