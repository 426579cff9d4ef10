"""Errors in the JSON API's own form: `{"error": {"code", "message", "errors": [{"message", "domain", "reason"}]}}`."""

from __future__ import annotations

import json

_REASONS = {
    304: "notModified",
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    408: "requestTimeout",
    409: "conflict",
    410: "gone",
    411: "required",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    499: "clientClosedRequest",
    500: "backendError",
    501: "notImplemented",
    502: "backendError",
    503: "backendError",
    504: "gatewayTimeout",
}


class ApiError(Exception):
    """An error answer with Cloud Storage's status and reason; `reason` defaults to the usual one of `status`."""

    def __init__(
        self, status: int, message: str, reason: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason or _REASONS.get(status, "backendError")
        self.headers = headers or {}

    def body(self) -> bytes:
        detail: dict[str, str] = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.status == 412:
            detail |= {"locationType": "header", "location": "If-Match"}
        error = {"code": self.status, "message": self.message, "errors": [detail]}
        return json.dumps({"error": error}, indent=2).encode()


def error_body(status: int, retry_delay: float | None) -> tuple[bytes, dict[str, str]]:
    """Return a planted fault's body and headers. Cloud Storage names a retry delay only in a header."""
    headers = {"content-type": "application/json; charset=UTF-8"}
    if retry_delay is not None:
        headers["retry-after"] = str(max(1, round(retry_delay)))
    return ApiError(status, "We encountered an internal error. Please try again.").body(), headers


def no_such_bucket() -> ApiError:
    return ApiError(404, "The specified bucket does not exist.")


def no_such_object(bucket: str, name: str) -> ApiError:
    return ApiError(404, f"No such object: {bucket}/{name}")


def condition_not_met() -> ApiError:
    return ApiError(412, "At least one of the pre-conditions you specified did not hold.")


def not_modified() -> ApiError:
    return ApiError(304, "Not Modified")


def invalid(message: str) -> ApiError:
    return ApiError(400, message)


def not_offered(what: str) -> ApiError:
    return ApiError(501, f"{what}: this stand-in for Cloud Storage does not offer it.")
