"""Fetch tokens of the function's own account from the metadata server, which the platform runs beside each instance."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from google.auth import compute_engine
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from shared.domain.errors import DropsightError
from shared.domain.request.google_receivers import AccessToken, IdToken

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The only scope that Workflows takes; what the account may do is decided by its grants."""
_SECONDS = 5.0
"""Seconds a token may take. The metadata server answers within milliseconds, and keeps tokens for an hour itself."""


class NoToken(DropsightError):
    """The metadata server gave no token; another attempt may succeed."""


class Identity:
    """The account that the function runs as."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="identity")

    async def token(self, wanted: IdToken | AccessToken) -> str:
        """Return a bearer token. Raises `NoToken`."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, _fetch, wanted)
        except (GoogleAuthError, OSError, TimeoutError, ValueError) as error:
            # Without the error's text: it may repeat what the server answered.
            raise NoToken(f"the metadata server gave no token ({type(error).__name__})") from error


def _fetch(wanted: IdToken | AccessToken) -> str:
    request = Request()
    if isinstance(wanted, IdToken):
        identity = compute_engine.IDTokenCredentials(  # type: ignore[no-untyped-call]
            request, wanted.audience, use_metadata_identity_endpoint=True
        )
        identity.refresh(request)  # type: ignore[no-untyped-call]
        return cast(str, identity.token)
    account = compute_engine.Credentials(scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    account.refresh(request)  # type: ignore[no-untyped-call]
    return cast(str, account.token)
