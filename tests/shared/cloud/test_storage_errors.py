"""What errors of Cloud Storage mean for a task, whichever client raises them."""

from __future__ import annotations

import aiohttp
import pytest
from google.api_core import exceptions as api_errors
from google.auth import exceptions as auth_errors

from shared.cloud.storage_errors import classified, failure, unreadable
from shared.domain.errors import Blocked, ReadForbidden, TransientFailure, Unavailable


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(401, Blocked), (403, ReadForbidden), (408, Unavailable), (429, Unavailable), (400, TransientFailure),
     (503, Unavailable)],
)  # fmt: skip
async def test_a_refusal_means_what_its_status_says(status: int, meaning: type[Exception]) -> None:
    with pytest.raises(meaning) as caught:
        await classified(fail(api_errors.from_http_status(status, "no")))  # type: ignore[no-untyped-call]
    assert type(caught.value) is meaning


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        ConnectionResetError(),
        TimeoutError(),
        auth_errors.TransportError(),  # type: ignore[no-untyped-call]
        api_errors.DataLoss("damaged"),  # type: ignore[no-untyped-call]
    ],
)
async def test_a_connection_that_fails_means_that_storage_is_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable, match=type(error).__name__):
        await classified(fail(error))


@pytest.mark.parametrize("status", [404, 412, 416])
async def test_what_depends_on_the_request_is_left_to_the_caller(status: int) -> None:
    error = api_errors.from_http_status(status, "no")  # type: ignore[no-untyped-call]
    with pytest.raises(type(error)):
        await classified(fail(error))


def test_an_object_with_a_key_of_its_uploader_is_told_from_other_bad_requests() -> None:
    reason = [{"reason": "resourceIsEncryptedWithCustomerEncryptionKey"}]
    own_key = unreadable(api_errors.BadRequest("no", errors=reason))  # type: ignore[no-untyped-call]
    assert own_key.code == "source_not_readable"
    assert "customer-supplied key" in own_key.message
    assert "no way" in unreadable(api_errors.BadRequest("no way")).message  # type: ignore[no-untyped-call]
    assert "refused" in str(failure(api_errors.BadRequest("no")))  # type: ignore[no-untyped-call]
