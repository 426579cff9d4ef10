"""Whatever Google's SDK and its transports raise becomes an exception that says whether a call may have been billed."""

from __future__ import annotations

import json
from typing import Literal

import aiohttp
import httpx2
import pytest
from google.genai import errors

from shared.cloud.gemini_errors import translated_errors
from shared.domain.errors import ConnectionBroken, PermanentFailure, TaskFailure, TransientFailure, Unreachable

UNREADABLE = json.JSONDecodeError("Expecting value", "<html>", 0)


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (httpx2.ConnectError("refused"), Unreachable),
        (httpx2.PoolTimeout("no connection was free"), Unreachable),
        (httpx2.ReadError("reset"), ConnectionBroken),
        (aiohttp.ServerDisconnectedError(), ConnectionBroken),
        (TimeoutError(), ConnectionBroken),
        (UNREADABLE, ConnectionBroken),
        (KeyError("candidates"), ConnectionBroken),
        (ValueError("temperature: too hot"), PermanentFailure),
        (errors.ClientError(400, {"error": {"message": "bad", "status": "INVALID_ARGUMENT"}}), PermanentFailure),
        (errors.ServerError(503, {"error": {"message": "busy", "status": "UNAVAILABLE"}}), TransientFailure),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_an_error_of_a_call_becomes_the_failure_that_it_is(error: Exception, becomes: type[TaskFailure]) -> None:
    with pytest.raises(becomes) as raised, translated_errors():
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("call", ["model", "file"])
def test_a_request_that_the_sdk_does_not_send_is_a_bad_request_with_its_reason(call: Literal["model", "file"]) -> None:
    refused = pytest.raises(PermanentFailure, match="This cannot be asked of Gemini: it is too long")
    with refused as raised, translated_errors(call):
        raise ValueError("it is too long\nand more")
    assert raised.value.code == "invalid_param"


def test_an_upload_that_was_not_finished_is_tried_again() -> None:
    with pytest.raises(TransientFailure, match="was not finished"), translated_errors("upload"):
        raise ValueError("Failed to upload file: Upload status is not finalized.")


@pytest.mark.parametrize("error", [ValueError("the source has changed"), TypeError("no bytes"), KeyError("size")])
def test_an_error_of_the_stream_that_is_uploaded_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translated_errors("upload"):
        raise error
    assert raised.value is error
