"""Decide which token of notify's account a Google receiver of callbacks gets, and refuse all other receivers.

| receiver | token | audience |
|---|---|---|
| `NAME.run.app` | ID token | `https://NAME.run.app` |
| `REGION-PROJECT.cloudfunctions.net/NAME` | ID token | `https://REGION-PROJECT.cloudfunctions.net/NAME` |
| `workflowexecutions.googleapis.com/v1/…/callbacks/ID` | access token | |

An ID token is useless to receivers other than its audience. An access token is not, so it is sent only to the callback
end points of Workflows: otherwise callers could make notify's account call other Google APIs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SERVICE = re.compile(r"(?:[a-z0-9-]+\.)+run\.app")
_FUNCTION = re.compile(r"[a-z0-9-]+\.cloudfunctions\.net")
_WORKFLOWS = "workflowexecutions.googleapis.com"
_WORKFLOW_CALLBACK = re.compile(
    r"/v1/projects/[A-Za-z0-9:.-]+/locations/[a-z0-9-]+/workflows/[A-Za-z0-9_-]+/executions/[A-Za-z0-9-]+"
    r"/callbacks/[A-Za-z0-9_-]+"
)

_ONLY = (
    "callback_auth: google sends a token only to https://….run.app, https://….cloudfunctions.net and to callbacks of "
    f"Workflows (https://{_WORKFLOWS}/v1/projects/…/callbacks/…)"
)


@dataclass(frozen=True)
class IdToken:
    """The receiver checks who calls; the token is for this audience alone."""

    audience: str


@dataclass(frozen=True)
class AccessToken:
    """An OAuth token with which the account calls one of Google's APIs."""


class NoGoogleReceiver(ValueError):
    """The URL is not a Google end point to which a token may be sent."""


def token_of_receiver(
    *, secure: bool, host: str, host_header: str, path: str, is_this_machine: bool = False
) -> IdToken | AccessToken:
    """Return the token for a parsed URL. `path` includes the query; `host_header` the port, unless it is the usual one.

    `is_this_machine`: the URL leads to this machine, which the local system allows. Its path then decides which of
    Google's receivers it stands for. Raises `NoGoogleReceiver`.
    """
    path = path.partition("?")[0]
    origin = f"{'https' if secure else 'http'}://{host_header}"
    if is_this_machine:
        return AccessToken() if _WORKFLOW_CALLBACK.fullmatch(path) else IdToken(origin)
    if not secure or host_header.lower() != host.lower():
        raise NoGoogleReceiver(_ONLY)
    host = host.lower()
    if _SERVICE.fullmatch(host):
        return IdToken(f"https://{host}")
    name = path.split("/")[1]
    if _FUNCTION.fullmatch(host) and name:
        return IdToken(f"https://{host}/{name}")
    if host == _WORKFLOWS and _WORKFLOW_CALLBACK.fullmatch(path):
        return AccessToken()
    raise NoGoogleReceiver(_ONLY)
