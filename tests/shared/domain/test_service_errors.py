"""Every way in which the Gemini API says no, and what it means for a task."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.errors import (
    Blocked,
    DailyQuotaSpent,
    FileStoreFull,
    PermanentFailure,
    Postponement,
    TaskFailure,
    Throttled,
    TransientFailure,
    Unavailable,
)
from shared.domain.service_errors import HandleGone, NameTaken, failure, retry_delay

Details = list[JsonValue]

QUOTA_MESSAGE = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
KEY = "AIza" + "SyNotARealKey0123456789abcdefghijkl"
NEW_KEY = "AQ." + "Ab8NotARealKey_0123456789-abcdefghijkl"


def retry_in(delay: JsonValue) -> JsonValue:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(*ids: str, metric: str = METRIC, value: str = "10") -> JsonValue:
    violations: list[JsonValue] = [
        {"quotaMetric": metric, "quotaId": identifier, "quotaValue": value} for identifier in ids
    ]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def reason(word: str) -> JsonValue:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
PER_DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", value="250")


def test_the_minutes_quota_is_waited_for_as_long_as_the_service_says() -> None:
    found = failure(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, [PER_MINUTE, retry_in("7s")])
    assert isinstance(found, Throttled)
    assert (found.reason, found.delay) == ("rate_limited", 7.0)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0s", 0.0), ("7s", 7.0), ("0.5s", 0.5), ("45.578569677s", 45.578569677), ("21599.96s", 21599.96)],
)
def test_a_retry_delay_is_read_in_seconds_and_fractions(written: str, seconds: float) -> None:
    assert retry_delay([{"@type": "type.googleapis.com/google.rpc.Help"}, retry_in(written)]) == seconds


@pytest.mark.parametrize("written", ["", "s", "7", "-7s", "7 s", "7m", "1e3s", "NaNs", "٧s", None, 7, ["7s"], {}])
def test_what_is_no_retry_delay_names_no_time(written: JsonValue) -> None:
    assert retry_delay([retry_in(written)]) is None


def test_a_delay_past_all_patience_names_no_time() -> None:
    """The service's word for "never by itself" is the largest integer."""
    assert retry_delay([retry_in("9223372036854775807s")]) is None
    assert retry_delay([retry_in("9" * 400 + "s")]) is None


def test_a_rate_limit_without_a_delay_waits_a_minute() -> None:
    found = failure(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", [])
    assert isinstance(found, Throttled)
    assert found.delay == 60


def test_the_days_quota_is_known_by_its_name_and_by_a_long_delay() -> None:
    by_name = failure(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, [PER_DAY])
    by_delay = failure(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, [retry_in("21599.9s")])
    assert isinstance(by_name, DailyQuotaSpent)
    assert (by_name.reason, by_name.delay) == ("daily_quota", None), "the caller waits for the quota's reset"
    assert isinstance(by_delay, DailyQuotaSpent)
    assert by_delay.delay == 21599.9


def test_a_delay_of_seconds_beside_a_days_quota_is_not_believed() -> None:
    found = failure(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, [PER_DAY, retry_in("37s")])
    assert isinstance(found, DailyQuotaSpent)
    assert found.delay is None


def test_where_several_quotas_are_spent_the_longest_patience_counts() -> None:
    both = quota("GenerateRequestsPerMinutePerProjectPerModel", "GenerateRequestsPerDayPerProjectPerModel")
    assert isinstance(failure(429, "RESOURCE_EXHAUSTED", QUOTA_MESSAGE, [both]), DailyQuotaSpent)


@pytest.mark.parametrize(
    ("message", "details"),
    [
        (f"{QUOTA_MESSAGE}\n* Quota exceeded for metric: {METRIC}, limit: 0, model: gemini-3-pro", [PER_DAY]),
        (QUOTA_MESSAGE, [quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", value="0"), retry_in("45s")]),
    ],
)
def test_a_limit_of_zero_will_never_work(message: str, details: Details) -> None:
    found = failure(429, "RESOURCE_EXHAUSTED", message, details)
    assert isinstance(found, PermanentFailure)
    assert found.code == "quota_unavailable"


def test_a_limit_above_zero_that_begins_with_the_same_digit_is_only_a_limit() -> None:
    message = f"{QUOTA_MESSAGE}\n* Quota exceeded for metric: {METRIC}, limit: 20, model: gemini-2.5-flash"
    assert isinstance(failure(429, "RESOURCE_EXHAUSTED", message, [PER_MINUTE]), Throttled)


@pytest.mark.parametrize(
    "message",
    [QUOTA_MESSAGE, "You have exceeded the file storage quota: file_storage_bytes is limited to 21474836480."],
)
def test_a_full_file_store_is_known_by_its_metric_and_names_no_time(message: str) -> None:
    full = quota(
        "FileStorageBytesPerProject",
        metric="generativelanguage.googleapis.com/file_storage_bytes",
        value="21474836480",
    )
    found = failure(429, "RESOURCE_EXHAUSTED", message, [full, retry_in("9223372036854775807s")])
    assert isinstance(found, FileStoreFull)
    assert (found.reason, found.delay) == ("file_store_full", None)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (402, "Your prepayment credits are depleted."),
        (429, "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."),
        (429, "Your project has exceeded its monthly spending cap. Please go to AI Studio to manage it."),
    ],
)
def test_money_that_is_used_up_is_the_operators(code: int, message: str) -> None:
    assert isinstance(failure(code, "RESOURCE_EXHAUSTED", message, []), Blocked)


@pytest.mark.parametrize(
    ("code", "status", "message", "details"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [reason("API_KEY_INVALID")]),
        (400, "INVALID_ARGUMENT", "API Key not found. Please pass a valid API key.", [reason("API_KEY_INVALID")]),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", []),
        (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", []),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.", []),
        (403, "PERMISSION_DENIED", "Generative Language API has not been used in project 1 before.", []),
        (403, "PERMISSION_DENIED", "Consumer x has been suspended.", [reason("CONSUMER_SUSPENDED")]),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", []),
        (400, "FAILED_PRECONDITION", "Free tier is not available in your country. Please enable billing.", []),
    ],
)  # fmt: skip
def test_what_only_the_operator_can_mend_blocks(code: int, status: str, message: str, details: Details) -> None:
    assert isinstance(failure(code, status, message, details), Blocked)


def test_a_missing_file_is_uploaded_again_while_a_missing_permission_blocks() -> None:
    missing = "You do not have permission to access the File abc-123 or it may not exist."
    assert isinstance(failure(403, "PERMISSION_DENIED", missing, []), HandleGone)
    assert isinstance(failure(403, "PERMISSION_DENIED", "The caller does not have permission", []), Blocked)


@pytest.mark.parametrize(
    ("code", "message"),
    [(403, "CachedContent not found (or permission denied)"), (404, "Cached content abc is not found.")],
)
def test_a_context_cache_that_is_gone_does_not_come_back(code: int, message: str) -> None:
    gone = failure(code, "PERMISSION_DENIED", message, [])
    assert isinstance(gone, PermanentFailure)
    assert gone.code == "source_gone"
    denied = "Permission 'generativelanguage.cachedContents.get' denied on resource."
    assert isinstance(failure(403, "PERMISSION_DENIED", denied, []), Blocked)


def test_not_found_is_about_the_file_where_the_call_is_and_else_about_the_model() -> None:
    assert isinstance(failure(404, "NOT_FOUND", "It is not there.", [], of_file=True), HandleGone)
    missing_model = failure(404, "NOT_FOUND", "It is not there.", [])
    assert isinstance(missing_model, PermanentFailure)
    assert missing_model.code == "model_not_found"


def test_a_file_that_is_not_active_yet_is_tried_again() -> None:
    message = "The File abc-123 is not in an ACTIVE state and usage is not allowed."
    found = failure(400, "FAILED_PRECONDITION", message, [])
    assert isinstance(found, TransientFailure)
    assert not isinstance(found, Unavailable)


def test_a_file_name_that_an_interrupted_upload_took_is_changed() -> None:
    assert isinstance(failure(409, "ALREADY_EXISTS", "Requested entity already exists", []), NameTaken)


@pytest.mark.parametrize(
    ("code", "message", "public"),
    [
        (404, "models/gemini-9 is not found for API version v1beta", "model_not_found"),
        (413, "Request payload size exceeds the limit: 20971520 bytes.", "payload_too_large"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
         "context_length_exceeded"),
        (400, "Unsupported MIME type: application/zip", "unsupported_content_type"),
        (400, "Unsupported mimeType: application/zip", "unsupported_content_type"),
        (400, "The document has no pages.", "upstream_error"),
        (405, "Method not allowed", "upstream_error"),
        (501, "Operation is not implemented, or supported, or enabled.", "upstream_error"),
    ],
)  # fmt: skip
def test_what_no_second_try_would_change_is_permanent(code: int, message: str, public: str) -> None:
    found = failure(code, "INVALID_ARGUMENT", message, [])
    assert isinstance(found, PermanentFailure)
    assert found.code == public
    assert message in found.message


@pytest.mark.parametrize("code", [408, 499, 502, 503, 504])
def test_a_service_that_is_away_gets_the_patience_of_an_outage(code: int) -> None:
    assert isinstance(failure(code, "UNAVAILABLE", "The model is overloaded. Please try again later.", []), Unavailable)


@pytest.mark.parametrize("code", [500, 505, 599])
def test_a_failure_of_the_service_counts_as_an_attempt(code: int) -> None:
    found = failure(code, "INTERNAL", "An internal error has occurred.", [])
    assert type(found) is TransientFailure


@pytest.mark.parametrize("key", [KEY, NEW_KEY])
@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 409, 413, 418, 429, 499, 500, 503])
def test_no_message_holds_a_key(code: int, key: str) -> None:
    """The API itself names a suspended key in full."""
    for message in (
        f"Permission denied: Consumer 'api_key:{key}' has been suspended.",
        f"POST https://generativelanguage.googleapis.com/v1beta/models/m:generateContent?key={key}&alt=sse failed",
        f"{'x' * 480} {key} was refused",
        f"The File {key} is not in an ACTIVE state",
    ):
        for status in ("PERMISSION_DENIED", "FAILED_PRECONDITION"):
            told = failure(code, status, message, [])
            assert key[:12] not in told.message
            assert key[:12] not in str(told)


JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["@type", "retryDelay", "violations", "quotaId", "quotaValue", "reason"])
                          | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip
TYPED: st.SearchStrategy[JsonValue] = st.builds(
    lambda name, fields: {**fields, "@type": f"type.googleapis.com/google.rpc.{name}"},
    st.sampled_from(["RetryInfo", "QuotaFailure", "ErrorInfo"]),
    st.dictionaries(st.sampled_from(["retryDelay", "violations", "reason"]), JSON, max_size=3),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    code=st.sampled_from([400, 401, 402, 403, 404, 409, 413, 429, 500, 501, 503]) | st.integers(-1, 10_000),
    status=st.sampled_from(["", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"]) | st.text(max_size=10),
    message=st.text(max_size=600),
    details=st.lists(JSON | TYPED, max_size=4),
)
def test_whatever_the_error_says_it_has_one_class_and_a_bounded_wait(
    code: int, status: str, message: str, details: Details
) -> None:
    found = failure(code, status, message, details)
    assert isinstance(found, TaskFailure)
    assert len(found.message) < 700
    if isinstance(found, Postponement) and found.delay is not None:
        assert 0 <= found.delay <= 7 * 86400


PLANTED = "the words of a prompt"


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 408, 409, 413, 418, 429, 499, 500, 501, 502, 503, 504])
@pytest.mark.parametrize(
    "words",
    [
        "",
        "File ",
        "mime type ",
        "limit: 0 ",
        "spending cap ",
        "file storage ",
        "continuation token ",
        "exceeds the maximum number of tokens ",
        "API key not valid ",
    ],
)
def test_a_summary_names_the_error_and_quotes_nothing(code: int, words: str) -> None:
    named = failure(code, "SOME_STATUS", f"{words}{PLANTED}", [PER_DAY, reason("SOME_REASON"), reason(PLANTED)])
    assert PLANTED in named.message
    assert PLANTED not in named.summary
    assert f"{code} SOME_STATUS SOME_REASON" in named.summary


def test_a_status_that_is_no_name_is_left_out_of_the_summary() -> None:
    assert failure(500, PLANTED, PLANTED, []).summary == "Gemini failed (500): 500"
    assert failure(503, "UNAVAILABLE", "", []).summary == "Gemini is unavailable (503): 503 UNAVAILABLE"
