"""A deployment that cannot work is refused as it starts, with a sentence that names the variable."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings

from shared.settings import (
    ApiSettings,
    GenerateSettings,
    IngestSettings,
    NotifySettings,
    SweepSettings,
    refuse_misconfiguration,
)
from tests.environment import CALLBACK_SECRET, function_environment

RIGHT = function_environment(DROPSIGHT_SOURCE_BUCKET="source")
OF_ALL = ("DROPSIGHT_PROJECT", "DROPSIGHT_INBOXES", "DROPSIGHT_REQUESTS_BUCKET", "DROPSIGHT_RESULTS_BUCKET")
OF_DISPATCHES = ("DROPSIGHT_DISPATCH_QUEUE", "DROPSIGHT_GENERATE_URL", "DROPSIGHT_INVOKER")
EVERY = [IngestSettings, GenerateSettings, ApiSettings, NotifySettings, SweepSettings]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("K_SERVICE", raising=False)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal(kind: type[BaseSettings]) -> str:
    with pytest.raises(SystemExit) as refused:
        refuse_misconfiguration(kind)
    return str(refused.value)


@pytest.mark.parametrize("kind", EVERY)
def test_a_right_environment_is_taken(kind: type[BaseSettings]) -> None:
    refuse_misconfiguration(kind)


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        *[(kind, name) for kind in EVERY for name in OF_ALL],
        *[(IngestSettings, name) for name in OF_DISPATCHES],
        (GenerateSettings, "GEMINI_API_KEY"),
        (SweepSettings, "GEMINI_API_KEY"),
        (SweepSettings, "DROPSIGHT_INSTALLED_AT"),
        (NotifySettings, "DROPSIGHT_CALLBACK_SECRET"),
    ],
)
def test_what_is_missing_is_named(
    kind: type[BaseSettings], variable: str, environment: pytest.MonkeyPatch
) -> None:  # fmt: skip
    environment.delenv(variable)
    assert f"{variable}: " in refusal(kind)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DROPSIGHT_PROJECT", ""),
        ("GEMINI_API_KEY", ""),
        ("DROPSIGHT_ENVIRONMENT", "Prod-1"),
        ("DROPSIGHT_ENVIRONMENT", "toolongatag1"),
        ("DROPSIGHT_INBOXES", "{}"),
        ("DROPSIGHT_INBOXES", "inbox"),
        ("DROPSIGHT_INBOXES", '{"inbox": {"daily_cap": 0}}'),
        ("DROPSIGHT_INBOXES", '{"inbox": {"prefix": "a/"}}'),
        ("DROPSIGHT_REQUESTS_BUCKET", "r"),
        ("DROPSIGHT_TASK_DAYS", "0"),
        ("DROPSIGHT_MANIFESTS_DAILY_CAP", "0"),
        ("DROPSIGHT_DISPATCH_QUEUE", "queue"),
        ("DROPSIGHT_LEASE_SECONDS", "soon"),
        ("DROPSIGHT_LEASE_SECONDS", "0"),
        ("DROPSIGHT_TIME_LIMIT_SECONDS", "1"),
        ("DROPSIGHT_MAX_ATTEMPTS", "0"),
        ("DROPSIGHT_TRANSFERS", "-1"),
        ("DROPSIGHT_CALLBACK_QUEUE", "queue"),
        ("DROPSIGHT_MANIFEST_SOURCES", "[1]"),
    ],
)
def test_what_cannot_be_is_refused_by_name(variable: str, value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv(variable, value)
    told = refusal(GenerateSettings)
    assert told.startswith("misconfigured: ")
    assert variable in told


@pytest.mark.parametrize("role", ["results", "requests", "source"])
def test_a_bucket_that_would_feed_itself_is_refused(role: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DROPSIGHT_INBOXES", f'{{"inbox": {{}}, "{role}": {{}}}}')
    told = refusal(IngestSettings)
    assert f"the {role} bucket {role} is also an inbox" in told


def test_results_and_requests_are_two_buckets(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DROPSIGHT_RESULTS_BUCKET", "requests")
    assert "results and the requests bucket at once" in refusal(IngestSettings)


@pytest.mark.parametrize("kind", [GenerateSettings, ApiSettings, NotifySettings])
def test_loopback_addresses_are_for_one_machine_only(
    kind: type[BaseSettings], environment: pytest.MonkeyPatch
) -> None:  # fmt: skip
    environment.setenv("DROPSIGHT_ALLOW_LOOPBACK", "true")
    refuse_misconfiguration(kind)
    environment.setenv("K_SERVICE", "generate")
    assert "DROPSIGHT_ALLOW_LOOPBACK" in refusal(kind)


def test_a_moment_that_is_none_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DROPSIGHT_INSTALLED_AT", "yesterday")
    assert "DROPSIGHT_INSTALLED_AT" in refusal(SweepSettings)


def test_a_moment_without_a_zone_is_refused(environment: pytest.MonkeyPatch) -> None:
    """It could not be compared with an object's."""
    environment.setenv("DROPSIGHT_INSTALLED_AT", "2026-05-01T00:00:00")
    assert "DROPSIGHT_INSTALLED_AT" in refusal(SweepSettings)


def test_origins_that_are_no_list_are_refused_by_name(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DROPSIGHT_CORS_ORIGINS", "https://a.example")
    assert "DROPSIGHT_CORS_ORIGINS" in refusal(ApiSettings)


def test_every_mistake_is_told_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DROPSIGHT_PROJECT")
    environment.setenv("DROPSIGHT_TASK_DAYS", "never")
    told = refusal(IngestSettings)
    assert "DROPSIGHT_PROJECT" in told
    assert "DROPSIGHT_TASK_DAYS" in told


def test_no_refusal_and_no_settings_show_a_secret(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DROPSIGHT_PROJECT")
    for kind in (GenerateSettings, NotifySettings):
        told = refusal(kind)
        assert RIGHT["GEMINI_API_KEY"] not in told
        assert CALLBACK_SECRET not in told
    environment.setenv("DROPSIGHT_PROJECT", "p")
    shown = f"{GenerateSettings()!r} {NotifySettings()!r}"
    assert RIGHT["GEMINI_API_KEY"] not in shown
    assert CALLBACK_SECRET not in shown
