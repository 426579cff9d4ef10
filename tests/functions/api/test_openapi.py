"""The document and its page, made from routes; shapes that the routes name exist."""

from __future__ import annotations

import json

from fastapi import FastAPI

from functions.api.openapi import docs_page, openapi_document
from functions.api.openapi_shapes import _ERRORS, components, errors, json_response


def an_app() -> FastAPI:
    app = FastAPI(title="<Title>", version="1")

    async def show(name: str) -> None:
        """Show <b>one</b> thing."""

    app.add_api_route("/v1/things/{name}", show, responses={200: json_response("TaskShown"), **errors(401, 404)})
    return app


def test_the_page_escapes_what_it_shows_and_names_every_status() -> None:
    page = docs_page(an_app())
    assert "<Title>" not in page
    assert "Show &lt;b&gt;one&lt;/b&gt; thing." in page
    assert all(f"id='get-{status}'" in page for status in (200, 401, 404, 500, 503))


def test_every_schema_that_the_document_names_is_part_of_it() -> None:
    document = openapi_document(an_app())
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_a_submission_has_either_messages_or_an_audio_url() -> None:
    schemas = openapi_document(an_app())["components"]["schemas"]
    assert schemas["Submission"]["oneOf"] == [{"required": ["audio_url"]}, {"required": ["messages"]}]
    assert "required" not in schemas["Changes"]


def test_every_error_names_its_shape_and_gives_an_example() -> None:
    shapes = components([])
    for answer in errors(*_ERRORS).values():
        content = answer["content"]["application/json"]
        assert content["schema"]["$ref"].removeprefix("#/components/schemas/") in shapes
        assert content["example"]["error"]["type"]
