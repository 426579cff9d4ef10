"""The service's error answers: `{"error": {"code", "message", "status", "details"}}`, and the words that it uses."""

from __future__ import annotations

import json
from typing import Any

_STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGE_OF_HTTP = {
    429: "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
    500: "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out. Please try again.",
}
_A_DAYS_WAIT = 3600.0
"""From this retry delay in seconds on, a 429 is the daily quota's; below it, the quota per minute."""

Details = list[dict[str, Any]]


class ApiError(Exception):
    """An error answer of the service. `code` is the HTTP status, `status` the google.rpc.Code's name."""

    def __init__(self, code: int, message: str, status: str | None = None, details: Details | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS_OF_HTTP.get(code, "UNKNOWN")
        self.details = details or []

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> ApiError:
    return ApiError(400, message)


def bad_request(violations: list[tuple[str, str]]) -> ApiError:
    """Of `(field path, description)` pairs; the message joins the descriptions, as the service's JSON parser does."""
    fields = [
        {"field": field, "description": description} if field else {"description": description}
        for field, description in violations
    ]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}
    return ApiError(400, "\n".join(description for _, description in violations), details=[detail])


def no_such_file(file_id: str) -> ApiError:
    return ApiError(403, f"You do not have permission to access the File {file_id} or it may not exist.")


def unimplemented(what: str) -> ApiError:
    return ApiError(501, f"{what} is not implemented by this stand-in for the Gemini API.")


def no_key() -> ApiError:
    return ApiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
        "other form of API consumer identity to call this API.",
    )


def bad_key() -> ApiError:
    return ApiError(
        400,
        "API key not valid. Please pass a valid API key.",
        details=[
            _error_info("API_KEY_INVALID"),
            {
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US",
                "message": "API key not valid. Please pass a valid API key.",
            },
        ],
    )


def revoked_key() -> ApiError:
    message = "Permission denied: Consumer 'api_key:…' has been suspended."
    return ApiError(403, message, details=[_error_info("CONSUMER_SUSPENDED")])


def _error_info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def planted(status: int, retry_delay: float | None, message: str | None = None) -> ApiError:
    """Return a planted fault's error: with RetryInfo for a retry delay, and on 429 with the exhausted quota."""
    message = message or _MESSAGE_OF_HTTP.get(status, "The request failed.")
    details: Details = []
    if status == 429:
        span = "PerDay" if (retry_delay or 0) >= _A_DAYS_WAIT else "PerMinute"
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {
                        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                        "quotaId": f"GenerateRequests{span}PerProjectPerModel-FreeTier",
                        "quotaDimensions": {"location": "global"},
                        "quotaValue": "250" if span == "PerDay" else "10",
                    }
                ],
            }
        )
        if retry_delay is not None:
            message += f"\nPlease retry in {retry_delay:.9g}s."
    if retry_delay is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_delay:.9g}s"}
        details.append(retry)
    return ApiError(status, message, details=details)


def error_body(status: int, retry_delay: float | None) -> tuple[bytes, dict[str, str]]:
    """The tap's `ErrorBody` for this service."""
    body = json.dumps(planted(status, retry_delay).body()).encode()
    return body, {"content-type": "application/json; charset=UTF-8"}
