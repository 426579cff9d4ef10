"""Convert what Google's SDK and its transports raise to the exceptions of `shared.domain.errors`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import aiohttp
import httpx2
from google.genai import errors
from pydantic import JsonValue, ValidationError

from shared.domain.errors import ConnectionBroken, PermanentFailure, TransientFailure, Unreachable
from shared.domain.service_errors import failure

_MAX_CHARACTERS = 300
"""Of an error of the SDK in a message."""

_BROKEN = (
    httpx2.TransportError,
    aiohttp.ClientError,
    aiohttp.http_exceptions.HttpProcessingError,
    TimeoutError,
    ConnectionError,
)
_NOT_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, aiohttp.ClientConnectorError)
_UNREADABLE = (errors.UnknownApiResponseError, json.JSONDecodeError, UnicodeDecodeError, ValidationError)
"""The SDK's errors for an answer that is not JSON, or has another shape; a plain ValueError concerns the request."""


@contextmanager
def translated_errors(call: Literal["model", "file", "upload"] = "model") -> Iterator[None]:
    """Convert exceptions of the SDK and its transports to those of `shared.domain.errors`.

    `call` is what the call was about: a 404 says that this is not there.
    """
    try:
        yield
    except errors.APIError as error:
        body = error.details if isinstance(error.details, dict) else {}
        inner = body.get("error", body)
        details = cast(list[JsonValue], inner.get("details") or []) if isinstance(inner, dict) else []
        message, of_file = error.message or "no message", call != "model"
        raise failure(error.code or 500, error.status or "", message, details, of_file=of_file) from error
    except _NOT_CONNECTED as error:
        raise Unreachable(f"Gemini cannot be reached: {type(error).__name__}") from error
    except _BROKEN as error:
        raise ConnectionBroken(f"the connection to Gemini broke: {type(error).__name__}") from error
    except ValueError as error:
        if call == "upload":
            # The SDK's message for an upload that was not finalized; any other may come from the stream that is read.
            if "upload" not in str(error).lower():
                raise
            raise TransientFailure(f"the upload to Gemini was not finished: {error}") from error
        if isinstance(error, _UNREADABLE):
            # It may have been an answer that is billed.
            raise ConnectionBroken(f"Gemini's answer could not be read: {type(error).__name__}") from error
        raise not_a_request(error) from error
    except (TypeError, AttributeError, KeyError) as error:
        # The SDK takes the shape of an answer for granted.
        if call == "upload":
            raise
        raise ConnectionBroken(f"Gemini's answer could not be read: {type(error).__name__}") from error


def not_a_request(error: ValueError) -> PermanentFailure:
    """Return the permanent failure of a request that the SDK refuses to send."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        problem = (str(error).splitlines() or [""])[0]
    return PermanentFailure("invalid_param", f"This cannot be asked of Gemini: {problem[:_MAX_CHARACTERS]}")
