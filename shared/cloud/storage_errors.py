"""What errors of Cloud Storage mean for a task."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import requests.exceptions
from google.api_core import exceptions as api_errors
from google.auth import exceptions as auth_errors
from google.resumable_media import common as media_errors

from shared.cloud.object_requests import BROKEN
from shared.domain.errors import Blocked, PermanentFailure, ReadForbidden, TaskFailure, TransientFailure, Unavailable

T = TypeVar("T")

FAULTS = (
    api_errors.GoogleAPICallError,
    api_errors.RetryError,
    media_errors.InvalidResponse,
    media_errors.DataCorruption,
    requests.exceptions.RequestException,
    *BROKEN,
    auth_errors.GoogleAuthError,
)
_WORTH_ANOTHER_TRY = (408, 429)
_OWN_KEY = "resourceIsEncryptedWithCustomerEncryptionKey"


async def classified(request: Awaitable[T]) -> T:
    """Await a request; raise what its failure means for a task. What depends on the request is left to the caller."""
    try:
        return await request
    except (api_errors.NotFound, api_errors.PreconditionFailed, api_errors.RequestRangeNotSatisfiable):
        raise
    except FAULTS as error:
        if isinstance(error, media_errors.InvalidResponse) and error.response.status_code == 412:
            # Resumable uploads have errors of their own.
            raise api_errors.PreconditionFailed(str(error)) from error  # type: ignore[no-untyped-call]
        raise failure(error) from error


def failure(error: Exception) -> TaskFailure:
    """Return what an error of Cloud Storage means for a task."""
    if isinstance(error, api_errors.Forbidden | api_errors.Unauthorized):
        kind = ReadForbidden if isinstance(error, api_errors.Forbidden) else Blocked
        return kind(f"Cloud Storage refuses the function's service account: {error.message}")
    if isinstance(error, api_errors.ClientError) and error.code not in _WORTH_ANOTHER_TRY:
        return TransientFailure(f"Cloud Storage refused a request: {error.message}")
    return Unavailable(f"Cloud Storage did not answer: {type(error).__name__}")


def unreadable(error: api_errors.BadRequest) -> PermanentFailure:
    if _OWN_KEY in str(error.errors):
        return PermanentFailure("source_not_readable", own_key_message("The object"))
    return PermanentFailure("source_not_readable", f"Cloud Storage does not let it be read: {error.message}")


def own_key_message(subject: str) -> str:
    return (
        f"{subject} is encrypted with a customer-supplied key, which only its uploader has: it cannot be read. Upload "
        "it without such a key, or with a key of Cloud KMS."
    )
