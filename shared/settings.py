"""Settings of each function, read once from its environment. `terraform/functions.tf` sets the same names.

Variables begin with DROPSIGHT_, except those that the platform or a client library defines.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.domain.recipe.globs import glob_pattern
from shared.domain.tasks.webhook import key_of

Bucket = Annotated[str, Field(min_length=3, max_length=222)]
QueuePath = Annotated[str, Field(pattern=r"^projects/[^/]+/locations/[^/]+/queues/[^/]+$")]
TopicPath = Annotated[str, Field(pattern=r"^projects/[^/]+/topics/[^/]+$")]


_FIELD = re.compile(r'for field "(\w+)"')


class Inbox(BaseModel):
    """Settings of one inbox bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefixes: tuple[str, ...] = ("",)
    """Only objects under one of these become tasks."""
    daily_cap: int = Field(default=10_000, ge=1)
    """Tasks a day (UTC); more wait for the next day. Guards against storms and loops."""
    daily_budget: Decimal | None = Field(default=None, ge=0)
    """US dollars a day (UTC) for its tasks; None: `inbox_daily_budget`."""
    recipes: str | None = None
    """`gs://bucket/object` of the operator's recipes."""
    documents: bool = False
    """Whether documents that are cut out of a bundle are written into it, to become tasks of their own."""
    ignore: tuple[str, ...] = ()
    """Globs of names that get no task, in addition to those in `shared.domain.media.ignored_objects`."""

    @field_validator("ignore")
    @classmethod
    def _globs(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            glob_pattern(pattern)
        return patterns


class Settings(BaseSettings):
    """Settings that all functions have."""

    model_config = SettingsConfigDict(env_prefix="DROPSIGHT_", frozen=True, extra="ignore", populate_by_name=True)

    environment: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,9}$")
    """The environment's tag: marks its files at the Files API, which environments of one key share."""
    project: str = Field(min_length=1)
    database: str = "(default)"
    inboxes: dict[Bucket, Inbox] = Field(min_length=1)
    requests_bucket: Bucket
    results_bucket: Bucket
    source_bucket: Bucket | None = None
    """Where the deployed source archive lies; never an input."""
    task_days: int = Field(default=30, ge=1, le=3650)
    """Days that task documents are kept after their end."""
    manifests_daily_cap: int = Field(default=10_000, ge=1)
    """Tasks a day (UTC) from the manifests of one folder; more wait for the next day."""
    traces: Literal["off", "console", "cloud"] = "off"
    """Where spans of OpenTelemetry go: nowhere, into the log, or to the Telemetry API, which Cloud Trace shows."""
    traces_sampled: float = Field(default=1, ge=0, le=1)
    """The share of tasks that are traced."""
    clock: Path | None = None
    """The local system's shared clock; refused in the cloud."""

    @model_validator(mode="after")
    def _no_loops(self) -> Self:
        own = {"results": self.results_bucket, "requests": self.requests_bucket, "source": self.source_bucket}
        for role, bucket in own.items():
            if bucket in self.inboxes:
                raise ValueError(
                    f"the {role} bucket {bucket} is also an inbox: every file written to it would become a task again; "
                    "name another bucket"
                )
        if self.results_bucket == self.requests_bucket:
            raise ValueError(f"{self.results_bucket} cannot be the results and the requests bucket at once")
        return self


def refuse_misconfiguration(kind: type[BaseSettings]) -> None:
    """Exit with a clear message if the settings are invalid. Called when a function's module is loaded."""
    try:
        kind()
    except ValidationError as error:
        problems = [
            ": ".join([*_variable(kind, problem["loc"]), problem["msg"].removeprefix("Value error, ")])
            for problem in error.errors()
        ]
    except SettingsError as error:
        # A value that is not valid JSON; only the message names its field.
        field = _FIELD.search(str(error))
        problems = [f"DROPSIGHT_{field[1].upper()}: it is not JSON" if field else str(error)]
    else:
        return
    raise SystemExit(f"misconfigured: {'; '.join(problems)}") from None


def _variable(kind: type[BaseSettings], location: tuple[int | str, ...]) -> list[str]:
    """Return the environment variable of a settings field, and the place in its JSON; empty if there is none."""
    if not location:
        return []
    first = str(location[0])
    variable = f"DROPSIGHT_{first.upper()}" if first in kind.model_fields else first
    return [".".join([variable, *map(str, location[1:])])]


class DispatchSettings(Settings):
    """Settings of functions that enqueue dispatches."""

    dispatch_queue: QueuePath
    generate_url: str
    invoker: str
    """The service account whose OIDC token the queues present."""
    queue_endpoint: str | None = None
    """host:port of a Cloud Tasks stand-in; unset in the cloud."""


class BudgetSettings(Settings):
    """Budgets in US dollars by the catalogue's list prices. Days are in UTC."""

    daily_budget: Decimal = Field(default=Decimal(200), ge=0)
    """Of the whole deployment."""
    inbox_daily_budget: Decimal = Field(default=Decimal(200), ge=0)
    """Of each inbox that has no `daily_budget` of its own."""
    key_daily_budget: Decimal = Field(default=Decimal(200), ge=0)
    """Of each API key that has no daily budget of its own."""
    task_budget: Decimal = Field(default=Decimal(10), ge=0)
    """The most that one task may cost. A task that may cost more fails before the model is called."""
    budget_action: Literal["wait", "fail"] = "wait"
    """What tasks do when a daily budget is spent: wait for the next day, or fail with `budget_exceeded`."""


class IngestSettings(DispatchSettings):
    settle_seconds: float = Field(default=10, ge=0)
    """Seconds that an object overwritten moments ago settles before its newest generation is processed."""


class GeminiSettings(BaseSettings):
    """Settings of functions that call the Gemini API."""

    model_config = SettingsConfigDict(env_prefix="DROPSIGHT_", frozen=True, extra="ignore", populate_by_name=True)

    gemini_api_key: SecretStr = Field(min_length=1, validation_alias=AliasChoices("GEMINI_API_KEY", "gemini_api_key"))


class OutboundSettings(BaseSettings):
    """Settings of functions that connect to addresses named by callers."""

    model_config = SettingsConfigDict(env_prefix="DROPSIGHT_", frozen=True, extra="ignore", populate_by_name=True)

    allow_loopback: bool = False
    """Local system only: callbacks and inputs may name loopback addresses."""

    @model_validator(mode="after")
    def _never_in_the_cloud(self) -> Self:
        if self.allow_loopback and os.environ.get("K_SERVICE"):
            raise ValueError("DROPSIGHT_ALLOW_LOOPBACK is for the local system only")
        return self


class EventSettings(BaseSettings):
    """Settings of functions that end tasks."""

    model_config = SettingsConfigDict(env_prefix="DROPSIGHT_", frozen=True, extra="ignore", populate_by_name=True)

    events_topic: TopicPath | None = None
    """The Pub/Sub topic to which each ended task's event goes; unset or empty, there are none."""

    @field_validator("events_topic", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return value or None


class GenerateSettings(DispatchSettings, BudgetSettings, GeminiSettings, OutboundSettings, EventSettings):
    lease_seconds: float = Field(default=60, ge=1)
    time_limit_seconds: float = Field(default=1700, ge=5)
    """Seconds one dispatch may work: the function's timeout minus 90 s to hand over."""
    max_attempts: int = Field(default=8, ge=1)
    """Transient failures after which a task fails."""
    flex_patience_hours: float = Field(default=6, ge=0)
    """How long a task of the flex tier is refused before it is promoted to the standard tier."""
    fetch_seconds: float = Field(default=900, gt=0)
    """Seconds that fetching a file from the web may take."""
    manifest_sources: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For each folder under manifests/: prefixes (gs://bucket/…) of the objects that its manifests may name."""
    task_max_age_hours: float = Field(default=168, gt=0)
    most_parts: int = Field(default=20, ge=1, le=200)
    """The most parts of a split file; each part takes one billed call for each question."""
    transfers: int = Field(default=8, ge=1)
    """Tasks of one instance that read, examine and upload files at once; the others wait for the model or for a slot.
    Each may take some 30 MiB."""
    callback_queue: QueuePath | None = None
    notify_url: str | None = None


class ApiSettings(DispatchSettings, BudgetSettings, OutboundSettings, EventSettings):
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may call the API."""
    callback_queue: QueuePath | None = None
    notify_url: str | None = None
    sync_seconds: float = Field(default=900, gt=0)
    """Seconds that `sync: true` waits; below the function's timeout."""


class NotifySettings(Settings, OutboundSettings):
    callback_secret: SecretStr
    """`whsec_…`; several separated by spaces while one replaces another."""

    @field_validator("callback_secret")
    @classmethod
    def _secrets(cls, value: SecretStr) -> SecretStr:
        for secret in value.get_secret_value().split() or [""]:
            key_of(secret)
        return value


class SweepSettings(DispatchSettings, BudgetSettings, GeminiSettings):
    installed_at: AwareDatetime
    """Objects older than the installation get tasks by backfill only."""
    event_horizon_hours: float = Field(default=48, gt=0)
    """Older objects get tasks by backfill only."""
    grace_seconds: float = Field(default=120, ge=0)
    """Seconds after which something overdue counts as lost."""
    time_limit_seconds: float = Field(default=1500, ge=5)
    """Seconds after which a run stops and leaves a cursor for the next one; below the function's timeout."""
    callback_queue: QueuePath | None = None
    notify_url: str | None = None
