"""Render errors in the contract's form, or as RFC 9457 problems for callers that accept them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from shared.domain.errors import FieldRefused, RequestRefused


def render_refusal(refused: RequestRefused, accept: str, request_id: str) -> Response:
    if _wants_problem(accept):
        body: dict[str, object] = {
            "type": f"/docs#{refused.code}",
            "title": HTTPStatus(refused.status).phrase,
            "status": refused.status,
            "detail": refused.message,
            "code": refused.code,
            "param": refused.param,
            "request_id": request_id,
        }
        return _json(refused.status, body, "application/problem+json", refused.headers)
    error = {
        "message": refused.message,
        "type": refused.type,
        "code": refused.code,
        "param": refused.param,
        "request_id": request_id,
    }
    return _json(refused.status, {"error": error}, "application/json", refused.headers)


def render_internal_error(accept: str, request_id: str) -> Response:
    message = "Something went wrong on our side. Try again; if it stays, tell the operator this request_id."
    return render_refusal(RequestRefused(500, "internal_error", message), accept, request_id)


def render_outage(accept: str, request_id: str, *, may_repeat: bool) -> Response:
    """Render the answer to a request that an outage interrupted, maybe after it made a task.

    A client that obeys Retry-After may pay for a second task unless `may_repeat`.
    """
    why = "A service that Dropsight needs does not answer."
    if may_repeat:
        return render_refusal(unavailable(why), accept, request_id)
    advice = (
        "The request may have been accepted: look before you send it again, and send an Idempotency-Key where one is "
        "taken."
    )
    refused = RequestRefused(503, "service_unavailable", f"{why} {advice}")
    return render_refusal(refused, accept, request_id)


def encoding_refused(encoding: str) -> RequestRefused:
    """Return the refusal of a compressed body: nothing here expands it."""
    message = f"Content-Encoding: {encoding[:40]} is not taken. Send the body as it is, without this header."
    return RequestRefused(415, "unsupported_encoding", message, headers={"Accept-Encoding": "identity"})


def unavailable(why: str) -> RequestRefused:
    return RequestRefused(503, "service_unavailable", f"{why} Try again in a moment.", headers={"Retry-After": "2"})


def refusal_of_status(status: int, detail: str, headers: Mapping[str, str] | None) -> RequestRefused:
    """Return the refusal for an error of the framework, such as an unknown path or method."""
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "invalid_request")
    return RequestRefused(status, code, detail, headers=dict(headers or {}))


def refusal_of_parameters(errors: Sequence[Mapping[str, object]]) -> RequestRefused:
    """Return the refusal for the first error that pydantic found in a path, query, header or body."""
    first = errors[0]
    if first.get("type") == "json_invalid":
        return body_not_json()
    location = first.get("loc")
    place, *names = location if isinstance(location, tuple) else ("request",)
    name = ".".join(map(str, names)) or str(place)
    return FieldRefused(name, f"{name}: {first.get('msg', 'invalid')}")


def not_found(message: str) -> RequestRefused:
    return RequestRefused(404, "not_found", message)


def body_not_json() -> RequestRefused:
    return RequestRefused(400, "invalid_param", "The body is not JSON.", param="body")


def task_not_found(task_id: str) -> RequestRefused:
    name = task_id if len(task_id) <= 64 else f"{task_id[:64]}…"
    return RequestRefused(404, "task_not_found", f"There is no task {name!r} for this key.", param="id")


def _wants_problem(accept: str) -> bool:
    return any(part.split(";")[0].strip().lower() == "application/problem+json" for part in accept.split(","))


def _json(status: int, body: dict[str, object], media_type: str, headers: dict[str, str]) -> Response:
    encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(encoded, status, headers, media_type)
