"""Serve GET /openapi.json and /docs, generated from the code. The page loads nothing from other hosts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from functions.api.openapi_clients import SHAPES, chat_request
from functions.api.openapi_shapes import components
from functions.api.response_shapes import KeyList, KeyListed, KeyMade
from functions.api.routes.keys import NewKey, Rotation
from functions.api.routes.uploads import Upload
from shared.domain.request.schema import Submission

_DESCRIPTION = """Submit recordings, pictures, films, documents and text to Gemini as tasks, or look up what became of \
files dropped into a bucket. Every `/v1` path needs `Authorization: Bearer sk-…`."""
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
h2{border-top:1px solid #ccc;padding-top:1rem}code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f4}
pre{padding:.7rem;overflow:auto}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;
text-align:left;padding:.3rem .6rem;vertical-align:top}b{font-weight:600}"""


def openapi_document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components([Submission, Upload, NewKey, Rotation, KeyListed, KeyMade, KeyList, *SHAPES]))
    schemas["ChatRequest"] = chat_request()
    changes = json.loads(json.dumps(schemas["Submission"]))
    changes.pop("required", None)
    changes["description"] = "Fields to replace in the earlier request; null removes one."
    schemas["Changes"] = changes
    # pydantic checks this itself, but its JSON Schema does not say it.
    schemas["Submission"]["oneOf"] = [{"required": ["audio_url"]}, {"required": ["messages"]}]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operation in (method for path in document["paths"].values() for method in path.values()):
        if "HTTPValidationError" in json.dumps(operation["responses"].get("422", {})):
            del operation["responses"]["422"]
    app.openapi_schema = document
    return document


def docs_page(app: FastAPI) -> str:
    """Render the document as one plain page."""
    document = openapi_document(app)
    parts = [
        f"<h1>{escape(app.title)}</h1><p>{escape(_DESCRIPTION)}</p><p><a href='/openapi.json'>openapi.json</a></p>"
    ]
    for path, methods in document["paths"].items():
        parts += [_operation(path, method, operation) for method, operation in methods.items()]
    parts.append("<h2 id='schemas'>Schemas</h2>")
    for name, schema in sorted(document["components"]["schemas"].items()):
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3><pre>{escape(text)}</pre>")
    head = f"<meta charset='utf-8'><title>{escape(app.title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        for parameter in operation.get("parameters", [])
    )
    answers = "".join(
        f"<tr id='{escape(method)}-{escape(status)}'><td><b>{escape(status)}</b></td>"
        f"<td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    first = body.get("example") or next((example["value"] for example in body.get("examples", {}).values()), None)
    example = f"<pre>{escape(json.dumps(first, indent=2, ensure_ascii=False))}</pre>" if first else ""
    name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    link = f"<p>Body: <a href='#{escape(name)}'>{escape(name)}</a></p>" if name else ""
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('description', ''))}</p>"
        f"{link}{example}<table>{rows}</table><h3>Answers</h3><table>{answers}</table>"
    )
