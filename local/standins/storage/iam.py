"""Grants on buckets: which account may do what, under which names, and the 403 of Cloud Storage for all else.

The stand-in has a door, a port of its own, for each account of the policy; calls at its main port are not checked, as
an owner's. Clients of emulators send no credentials, so the door is what tells the accounts apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send

from local.standins.storage.errors import ApiError

_READ = frozenset({"storage.objects.get", "storage.objects.list"})
ROLES: dict[str, frozenset[str]] = {
    "roles/storage.objectViewer": _READ,
    "roles/storage.objectCreator": frozenset({"storage.objects.create"}),
    "roles/storage.objectUser": _READ
    | {"storage.objects.create", "storage.objects.update", "storage.objects.delete", "storage.objects.restore"},
}
"""The permissions of the predefined roles that the stand-in checks
(https://cloud.google.com/storage/docs/access-control/iam-roles)."""


class Grant(BaseModel):
    """A role on a bucket; `under`: a condition on the names of objects.

    A listing is allowed on the bucket's own name, so a condition that names objects only (`lists` false) allows none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: str
    role: str
    under: str = ""
    lists: bool = True

    def allows(self, access: Access) -> bool:
        if access.bucket != self.bucket or access.permission not in ROLES.get(self.role, frozenset()):
            return False
        if access.permission == "storage.objects.list":
            return self.lists or not self.under
        return access.name.startswith(self.under)


@dataclass(frozen=True)
class Access:
    """What a call asks for. `name` is empty for the bucket itself."""

    account: str
    permission: str
    bucket: str
    name: str = ""


GRANTS = TypeAdapter(dict[str, list[Grant]])


class Policy:
    """The grants of each account. `used` and `refused` keep what was asked for, for tests."""

    def __init__(self, grants: Mapping[str, Iterable[Grant]]) -> None:
        self.replace(grants)

    def replace(self, grants: Mapping[str, Iterable[Grant]]) -> None:
        """Put other grants in force, from the next call on, and forget what was used and refused so far."""
        replacement = {account: tuple(held) for account, held in grants.items()}
        for role in {grant.role for held in replacement.values() for grant in held}:
            if role not in ROLES:
                raise ValueError(f"{role} is not a role that the stand-in knows: {', '.join(ROLES)}")
        self._grants = replacement
        self.used: set[Access] = set()
        self.refused: set[Access] = set()

    @classmethod
    def read(cls, file: Path) -> Policy:
        """Read `{"account": [{"bucket", "role", "under", "lists"}]}`."""
        return cls(GRANTS.validate_python(json.loads(file.read_text())))

    @property
    def by_account(self) -> Mapping[str, tuple[Grant, ...]]:
        return self._grants

    @property
    def grants(self) -> list[tuple[str, Grant]]:
        return [(account, grant) for account, held in self._grants.items() for grant in held]

    def without(self, account: str, grant: Grant) -> Policy:
        """Return a policy that lacks one grant."""
        held = {
            name: [one for one in grants if (name, one) != (account, grant)] for name, grants in self._grants.items()
        }
        return Policy(held)

    def allows(self, access: Access) -> bool:
        return any(grant.allows(access) for grant in self._grants.get(access.account, ()))

    def check(self, access: Access) -> bool:
        """Return whether the access is allowed, and note it."""
        allowed = self.allows(access)
        (self.used if allowed else self.refused).add(access)
        return allowed


_caller: ContextVar[tuple[Policy, str] | None] = ContextVar("caller", default=None)


def door(policy: Policy, account: str, app: ASGIApp) -> ASGIApp:
    """Return the app for calls of one account."""

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        _caller.set((policy, account))
        await app(scope, receive, send)

    return enter


def authorize(permission: str, bucket: str, name: str = "") -> None:
    """Raise the 403 of Cloud Storage unless the calling account has the permission."""
    if (caller := _caller.get()) is None:
        return
    policy, account = caller
    if not policy.check(Access(account, permission, bucket, name)):
        raise _forbidden(account, permission, name)


def authorize_absence(bucket: str, name: str) -> None:
    """Raise 403 for an object that is not there, unless the account may list and so may know it."""
    if (caller := _caller.get()) is None:
        return
    policy, account = caller
    if not policy.check(Access(account, "storage.objects.list", bucket)):
        raise _forbidden(account, "storage.objects.get", name)


def _forbidden(account: str, permission: str, name: str) -> ApiError:
    what = "object" if name else "bucket"
    return ApiError(
        403,
        f"{account} does not have {permission} access to the Google Cloud Storage {what}. "
        f"Permission '{permission}' denied on resource (or it may not exist).",
    )
