"""Map errors of the Gemini API to what they mean for a task.

Errors are `{"error": {code, message, status, details: [{"@type": "…RetryInfo", "retryDelay": "7s"}, …]}}`. A 429 has
several causes that call for different patience: per minute, per day, money spent, a full file store, or `limit: 0`,
which will never work. The API names a suspended key in full in its message: no key goes into ours.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from pydantic import JsonValue

from shared.domain.answer.response import Json
from shared.domain.errors import (
    Blocked,
    DailyQuotaSpent,
    FileStoreFull,
    PermanentFailure,
    TaskFailure,
    Throttled,
    TransientFailure,
    Unavailable,
)

_A_LONG_WAIT = 3600.0
"""Seconds. A longer retry delay is about the daily quota, not the quota per minute."""
_DEFAULT_WAIT = 60.0
_LONGEST_WAIT = 7 * 86400.0
"""Seconds. A longer retry delay means never: a full file store names 292 billion years."""
_SHOWN = 500
_KEY = re.compile(r"(?<=api_key:)[^\s'\"]+|(?<=key=)[^\s&'\"]+|\bAIza[\w-]{10,}|\bAQ\.[\w-]{10,}")
_MONEY = re.compile(r"spending cap|prepay(ment)? credit|credits? (is|are) depleted", re.IGNORECASE)
_FILE_STORE = re.compile(r"file.{0,12}storage|storage.{0,12}file", re.IGNORECASE)

_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,63}|[A-Z][A-Za-z]+(-[A-Z][A-Za-z]+)*")
"""`RESOURCE_EXHAUSTED`, or a quota like `GenerateRequestsPerDayPerProjectPerModel-FreeTier`."""
_CACHE = re.compile(r"\bcached ?content\b", re.IGNORECASE)
_TOKEN = re.compile(r"continuation[ _]?token", re.IGNORECASE)


class HandleGone(TransientFailure):
    """An uploaded file does not exist any more (the service answers 403, or 404): upload it again."""


class NameTaken(TransientFailure):
    """An interrupted upload has made this file name unusable: choose another."""


class TokenRefused(PermanentFailure):
    """The service does not take the continuation token: the answer cannot be gone on with by it."""

    def __init__(self, message: str) -> None:
        super().__init__("upstream_error", message)


def failure(code: int, status: str, message: str, details: list[JsonValue], *, of_file: bool = False) -> TaskFailure:
    """Return the exception for an error's code, status, message and details; `of_file`, of a call about a file.

    The message may quote the request, so the exception's summary has Google's own names of the error instead.
    """
    shown_message = _KEY.sub("…", message)[:_SHOWN] or "no message"
    if of_file and code == HTTPStatus.NOT_FOUND:
        failed: TaskFailure = HandleGone(f"Gemini does not have the file: {shown_message}")
    elif code in (403, 404) and _CACHE.search(shown_message):
        failed = PermanentFailure("source_gone", f"Gemini does not have the context cache: {shown_message}")
    else:
        failed = _failure(code, status, shown_message, details)
    return failed.with_summary(failed.message.replace(shown_message, _names_of(code, status, details)))


def _names_of(code: int, status: str, details: list[JsonValue]) -> str:
    """Return the error's code, status, reasons and exhausted quotas, as far as each is a name."""
    reasons = [detail.get("reason") for detail in _of_type(details, "ErrorInfo")]
    quotas = [violation.get("quotaId") for violation in _violations(details)]
    names = [name for name in (status, *reasons, *quotas) if isinstance(name, str) and _NAME.fullmatch(name)]
    return " ".join((str(code), *dict.fromkeys(names)))


def _failure(code: int, status: str, shown_message: str, details: list[JsonValue]) -> TaskFailure:
    match code:
        case 429:
            return _too_many(shown_message, details)
        case 402:
            return Blocked(f"Gemini's credits are used up: {shown_message}")
        case 401:
            return Blocked(f"Gemini does not accept the API key: {shown_message}")
        case 403:
            return (
                HandleGone(shown_message)
                if re.search(r"\bFile\b", shown_message)
                else Blocked(f"Gemini refuses permission: {shown_message}")
            )
        case 404:
            return PermanentFailure("model_not_found", f"Gemini does not know the model: {shown_message}")
        case 409:
            return NameTaken(shown_message)
        case 413:
            return PermanentFailure("payload_too_large", f"Gemini refused the request as too large: {shown_message}")
        case 400:
            return _bad_request(status, shown_message, details)
        case 408 | 499:
            return Unavailable(f"Gemini did not answer in time: {shown_message}")
        case 502 | 503 | 504:
            return Unavailable(f"Gemini is unavailable ({code}): {shown_message}")
        case _ if code >= 500 and code != 501:
            return TransientFailure(f"Gemini failed ({code}): {shown_message}")
        case _:
            return PermanentFailure("upstream_error", f"Gemini refused the request ({code}): {shown_message}")


def retry_delay(details: list[JsonValue]) -> float | None:
    """Return the seconds of google.rpc.RetryInfo; None if there is none or it means never."""
    for detail in _of_type(details, "RetryInfo"):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay, re.ASCII)):
            seconds = float(match[1])
            return seconds if seconds <= _LONGEST_WAIT else None
    return None


def _too_many(message: str, details: list[JsonValue]) -> TaskFailure:
    delay = retry_delay(details)
    violations = _violations(details)
    if re.search(r"\blimit: 0\b", message) or any(str(violation.get("quotaValue")) == "0" for violation in violations):
        return PermanentFailure("quota_unavailable", f"This project has no quota for the model: {message}")
    if _MONEY.search(message):
        return Blocked(f"Gemini's credits are used up: {message}")
    metrics = " ".join(str(violation.get("quotaMetric")) for violation in violations)
    if _FILE_STORE.search(f"{message} {metrics}"):
        return FileStoreFull(f"The Files API's store is full: {message}", delay=delay)
    per_day = any("PerDay" in str(violation.get("quotaId")) for violation in violations)
    long = (delay or 0) >= _A_LONG_WAIT
    if per_day or long:
        # A delay of seconds that comes with a day's quota is no help: the quota is there again at its reset.
        return DailyQuotaSpent(f"The day's quota is spent: {message}", delay=delay if long else None)
    return Throttled(f"Gemini's rate limit: {message}", delay=_DEFAULT_WAIT if delay is None else delay)


def _bad_request(status: str, message: str, details: list[JsonValue]) -> TaskFailure:
    reasons = {str(detail.get("reason")) for detail in _of_type(details, "ErrorInfo")}
    if "API_KEY_INVALID" in reasons or "API key not valid" in message or "API key expired" in message:
        return Blocked(f"Gemini does not accept the API key: {message}")
    if "exceeds the maximum number of tokens" in message:
        return PermanentFailure(
            "context_length_exceeded", f"{message} Split the input or choose a model with a larger window."
        )
    if _TOKEN.search(message):
        return TokenRefused(f"Gemini refused the request: {message}")
    if status == "FAILED_PRECONDITION":
        return TransientFailure(message) if "ACTIVE" in message else Blocked(f"Gemini refuses this project: {message}")
    if re.search(r"mime ?type", message, re.IGNORECASE):
        return PermanentFailure("unsupported_content_type", f"Gemini does not take this type: {message}")
    return PermanentFailure("upstream_error", f"Gemini refused the request: {message}")


def _violations(details: list[JsonValue]) -> list[Json]:
    return [
        violation
        for detail in _of_type(details, "QuotaFailure")
        if isinstance(listed := detail.get("violations"), list)
        for violation in listed
        if isinstance(violation, dict)
    ]


def _of_type(details: list[JsonValue], name: str) -> list[Json]:
    return [
        detail for detail in details if isinstance(detail, dict) and str(detail.get("@type", "")).endswith(f".{name}")
    ]
