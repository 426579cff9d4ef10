"""The stand-in model's use of tools: function calls, arithmetic, and metadata for searches and fetches."""

from __future__ import annotations

import ast
import hashlib
import operator
import re
from random import Random
from typing import Any

from local.standins.gemini.facts import question_in_short
from local.standins.gemini.field_values import FieldValues
from local.standins.gemini.prompt import Prompt
from local.standins.gemini.schema_forms import to_json_schema
from local.standins.gemini.schema_instance import write_instance

Part = dict[str, Any]

_COMMON = frozenset(
    [
        "call",
        "current",
        "data",
        "fetch",
        "find",
        "from",
        "function",
        "list",
        "make",
        "search",
        "send",
        "show",
        "store",
        "update",
        "with",
        "create",
    ]
)
_COMPUTE = re.compile(
    r"\b(?:comput|calculat|count|sum\b|add up|code|python|script|execut|run\b|solve|evaluat|how many|prime)", re.I
)
_EXPRESSION = re.compile(r"(?<![\w.])\({0,9}-?\d[\d\s.+*/()%^-]*[\d)](?!\w|\.\d)")
_PRIMES = re.compile(r"first (\d{1,4}) prime", re.I)
_PHRASE = re.compile(r"\"[^\"]+\"|'[^']+'|(?<=[a-z,:] )[A-Z][\w-]*(?:,? [A-Z][\w-]*)*")
_SIGNS = {
    **dict.fromkeys(("divide", "division", "quotient"), "/"),
    **dict.fromkeys(("multiply", "product", "times"), r"[*×]"),
    **dict.fromkeys(("add", "sum", "plus", "addition"), r"\+"),
    **dict.fromkeys(("subtract", "minus", "difference"), "-"),
}
_URL = re.compile(r"https?://[^\s\"'<>)]+")
_OPERATORS: dict[type[ast.operator | ast.unaryop], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_LARGEST = 10**30


def function_calls(prompt: Prompt, random: Random, *, signed: bool) -> list[Part]:
    """Return the function calls of this turn: functions that the question mentions, or with mode ANY at least the
    first.
    """
    if any("functionResponse" in part for part in prompt.turns[-1].get("parts", [])):
        return []
    declared = [declaration for tool in prompt.tools for declaration in tool.get("functionDeclarations", [])]
    calling = prompt.tool_config.get("functionCallingConfig", {})
    mode = calling.get("mode", "AUTO")
    if allowed := calling.get("allowedFunctionNames"):
        declared = [declaration for declaration in declared if declaration["name"] in allowed]
    if mode == "NONE" or not declared:
        return []
    places = {declaration["name"]: _mentioned(declaration["name"], prompt.question) for declaration in declared}
    chosen = sorted(
        (declaration for declaration in declared if places[declaration["name"]] >= 0),
        key=lambda declaration: places[declaration["name"]],
    )
    if not chosen and mode == "ANY":
        chosen = declared[:1]
    calls: list[Part] = [
        {"functionCall": _call(declaration, prompt, random, places[declaration["name"]])} for declaration in chosen
    ]
    if calls and signed:
        calls[0]["thoughtSignature"] = signature(calls)
    return calls


def signature(thought: object) -> str:
    """Return a thought signature, which Gemini 3 requires back in the next turn: base64, opaque to the caller."""
    return hashlib.sha256(repr(thought).encode()).hexdigest()


def _mentioned(name: str, question: str) -> int:
    """Return where the question mentions a function (by name, a distinctive word, or an operator), or -1."""
    text = question.lower()
    if (place := text.find(name.lower())) >= 0:
        return place
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    for word in words:
        telling = re.escape(word) if len(word) >= 4 and word not in _COMMON else ""
        sign = _SIGNS.get(word, "")
        pattern = "|".join(filter(None, (telling and rf"\b{telling}", sign and rf"(?<=\d)\s*{sign}\s*(?=\d)")))
        if pattern and (match := re.search(pattern, text)):
            return match.start()
    return -1


def _call(declaration: dict[str, Any], prompt: Prompt, random: Random, place: int) -> dict[str, Any]:
    if "parametersJsonSchema" in declaration:
        schema = declaration["parametersJsonSchema"]
    else:
        schema = to_json_schema(declaration.get("parameters", {}))
    arguments = write_instance(schema, prompt, random, _Spoken(prompt, place)) if schema else {}
    return {"name": declaration["name"], "args": arguments if isinstance(arguments, dict) else {}}


class _Spoken(FieldValues):
    """Arguments come from the question's own words and numbers: those behind the function's mention first."""

    def __init__(self, prompt: Prompt, place: int) -> None:
        super().__init__(prompt)
        question = prompt.question
        phrases = [(match.start(), match.group().strip("\"'")) for match in _PHRASE.finditer(question)]
        phrases.sort(key=lambda entry: (entry[0] < place, entry[0]))
        self._phrases = [phrase for _, phrase in phrases]
        self._numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", question)]
        self._short = question_in_short(prompt)

    def text(self, name: str, description: str) -> str:
        return self._phrases.pop(0) if self._phrases else self._short or name

    def number(self, name: str) -> float | None:
        return self._numbers.pop(0) if self._numbers else super().number(name)

    def words(self, name: str) -> list[object] | None:
        return [self._phrases.pop(0)] if self._phrases else None


def code_parts(prompt: Prompt) -> list[Part]:
    """With the code execution tool on and something to compute: the code, and what it printed."""
    if not any("codeExecution" in tool for tool in prompt.tools) or not _COMPUTE.search(prompt.question):
        return []
    code, output = _computation(prompt.question)
    return [
        {"executableCode": {"language": "PYTHON", "code": code}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": output}},
    ]


def _computation(question: str) -> tuple[str, str]:
    if match := _PRIMES.search(question):
        count = int(match.group(1))
        code = (
            f"primes, number = [], 2\nwhile len(primes) < {count}:\n"
            "    if all(number % prime for prime in primes if prime * prime <= number):\n"
            "        primes.append(number)\n    number += 1\nprint(sum(primes))\n"
        )
        return code, f"{_sum_of_primes(count)}\n"
    for match in _EXPRESSION.finditer(question):
        expression = re.sub(r"\s+", " ", match.group()).strip()
        if re.search(r"\d\s*[+*/%-]", expression) and (value := _value(expression)) is not None:
            return f"print({expression})\n", f"{value}\n"
    words = len(question.split())
    return f"prompt = {question!r}\nprint(len(prompt.split()))\n", f"{words}\n"


def _sum_of_primes(count: int) -> int:
    primes: list[int] = []
    number = 2
    while len(primes) < count:
        if all(number % prime for prime in primes if prime * prime <= number):
            primes.append(number)
        number += 1
    return sum(primes)


def _value(expression: str) -> Any:
    try:
        return _reckon(ast.parse(expression, mode="eval").body)
    except (ValueError, SyntaxError, ArithmeticError):
        return None


def _reckon(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        value = _OPERATORS[type(node.op)](_reckon(node.left), _reckon(node.right))
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        value = _OPERATORS[type(node.op)](_reckon(node.operand))
    else:
        raise ValueError("only arithmetic is reckoned")
    if abs(value) > _LARGEST:
        raise ValueError("too large")
    return value


def grounding(prompt: Prompt, text: str) -> dict[str, Any] | None:
    """Return a candidate's grounding metadata if a search tool is on."""
    if prompt.found:
        return _file_grounding(prompt, text)
    if not any("googleSearch" in tool for tool in prompt.tools):
        return None
    query = question_in_short(prompt)
    first = text.split("\n")[0]
    return {
        "webSearchQueries": [query],
        "searchEntryPoint": {"renderedContent": "<div>[Dropsight stand-in model] Nothing was searched.</div>"},
        "groundingChunks": [{"web": {"uri": "https://example.com/dropsight-stand-in", "title": "example.com"}}],
        "groundingSupports": [
            {
                "segment": {"startIndex": 0, "endIndex": len(first.encode()), "text": first},
                "groundingChunkIndices": [0],
            }
        ],
    }


def _file_grounding(prompt: Prompt, text: str) -> dict[str, Any]:
    """Return the passages of files, each with the words of the answer that rest on it."""
    supports = []
    for index, chunk in enumerate(prompt.found):
        if (start := text.find(chunk.text)) >= 0:
            first = len(text[:start].encode())
            segment = {"startIndex": first, "endIndex": first + len(chunk.text.encode()), "text": chunk.text}
            supports.append({"segment": segment, "groundingChunkIndices": [index]})
    chunks = [chunk.grounding() for chunk in prompt.found]
    return {"groundingChunks": chunks, "groundingSupports": supports}


def fetched_urls(prompt: Prompt) -> dict[str, Any] | None:
    """Return a candidate's URL context metadata. Nothing is fetched, so each URL has the status ERROR."""
    urls = list(dict.fromkeys(url.rstrip(".,;") for url in _URL.findall(prompt.text)))
    if not urls or not any("urlContext" in tool for tool in prompt.tools):
        return None
    status = "URL_RETRIEVAL_STATUS_ERROR"
    return {"urlMetadata": [{"retrievedUrl": url, "urlRetrievalStatus": status} for url in urls[:20]]}
