"""What an apply would make, read from the plan: who may do what, what is turned on, and what the functions are told."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from local.deployment import FunctionSize, QueueRetry, read_function_sizes, read_queue_retries
from tests.terraform import checker, newest_schema
from tests.terraform.test_environment import LOCAL_ONLY, READS

Plan = dict[str, Any]

GRANTS = {
    "ingest": {
        "roles/datastore.user on this database",
        "roles/storage.objectViewer on requests",
        "roles/cloudtasks.enqueuer on dispatch",
        "roles/iam.serviceAccountUser on queues",
    },
    "generate": {
        "roles/datastore.user on this database",
        "roles/storage.objectViewer on inbox",
        "roles/storage.objectViewer on requests",
        "roles/storage.objectViewer on source under recipes/",
        "roles/storage.objectUser on results",
        "roles/cloudtasks.enqueuer on dispatch",
        "roles/cloudtasks.enqueuer on callbacks",
        "roles/iam.serviceAccountUser on queues",
        "roles/secretmanager.secretAccessor on gemini-api-key",
    },
    "api": {
        "roles/datastore.user on this database",
        "roles/storage.objectUser on requests under api/",
        "roles/storage.objectCreator on inbox",
        "roles/storage.objectViewer on inbox",
        "roles/storage.objectUser on requests under uploads/",
        "roles/storage.objectViewer on requests",
        "roles/storage.objectViewer on results",
        "roles/cloudtasks.enqueuer on dispatch",
        "roles/iam.serviceAccountUser on queues",
    },
    "notify": {
        "roles/datastore.user on this database",
        "roles/storage.objectViewer on results",
        "roles/secretmanager.secretAccessor on callback-secret",
    },
    "sweep": {
        "roles/datastore.user on this database",
        "roles/storage.objectViewer on inbox",
        "roles/storage.objectViewer on requests",
        "roles/cloudtasks.enqueuer on dispatch",
        "roles/cloudtasks.enqueuer on callbacks",
        "roles/cloudtasks.viewer on dispatch",
        "roles/cloudtasks.viewer on callbacks",
        "roles/iam.serviceAccountUser on queues",
        "roles/secretmanager.secretAccessor on gemini-api-key",
    },
    "trigger": {"roles/eventarc.eventReceiver on the project", "roles/run.invoker on ingest"},
    "queues": {"roles/run.invoker on generate", "roles/run.invoker on notify"},
    "scheduler": {"roles/run.invoker on sweep"},
    "build": {
        "roles/artifactregistry.writer on images",
        "roles/logging.logWriter on the project",
        "roles/storage.objectViewer on functions' sources",
    },
}
"""All that each account may do."""

APIS = {
    "google_artifact_registry_": "artifactregistry",
    "google_cloud_run_": "run",
    "google_cloud_scheduler_": "cloudscheduler",
    "google_cloud_tasks_": "cloudtasks",
    "google_cloudfunctions2_": "cloudfunctions",
    "google_eventarc_": "eventarc",
    "google_firestore_": "firestore",
    "google_logging_": "logging",
    "google_monitoring_": "monitoring",
    "google_project": "cloudresourcemanager",
    "google_secret_manager_": "secretmanager",
    "google_service_account": "iam",
    "google_storage_": "storage",
}
SECRETS = {
    "gemini_api_key": "AIza-never-in-a-plan",
    "callback_secret": "whsec_bmV2ZXItaW4tYS1wbGFuLW5ldmVyLWluLWEtcGxhbg==",
}
BEHIND = {"cloudbuild", "generativelanguage", "pubsub"}
"""APIs that Google's services and the functions call for us."""


def resources(plan: Plan) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Address, type and planned values of everything that would be made."""
    for resource in plan["planned_values"]["root_module"]["resources"]:
        if resource["mode"] == "managed":
            yield resource["address"], resource["type"], resource["values"]


def granted(plan: Plan, environment: str = "prod") -> dict[str, set[str]]:
    """Every grant to an account of ours, by the account's short name; those to Google's agents are left out."""
    ours = re.compile(rf"serviceAccount:dropsight-{environment}-([a-z]+)@acme-files\.iam\.gserviceaccount\.com")
    found: dict[str, set[str]] = defaultdict(set)
    for address, _, values in resources(plan):
        member = values.get("member")
        # Unknown before apply: only the agents, whose names have the project's number.
        if member is not None and (account := ours.fullmatch(member)):
            found[account[1]].add(f"{values['role']} on {_where(address, values, environment)}")
    return found


def _where(address: str, values: dict[str, Any], environment: str) -> str:
    short = re.compile(rf"(?:acme-files-)?dropsight-{environment}-(.*)")
    for attribute in ("bucket", "name", "secret_id"):
        if match := short.fullmatch(values.get(attribute) or ""):
            break
    else:
        match = None
    if match is not None:
        under = re.search(r"/objects/([^\"]*)\"", str(values["condition"]))
        return match[1] + (f" under {under[1]}" if under else "")
    if "service_account_id" in values:
        account = re.search(rf"dropsight-{environment}-([a-z]+)@", values["service_account_id"])
        assert account
        return account[1]
    if "repository" in values:
        return "images"
    titles = {"only this database": "this database", "only functions' sources": "functions' sources"}
    conditions = values["condition"]
    assert address.startswith("google_project_iam_member."), f"{address} is granted on something unforeseen"
    return titles[conditions[0]["title"]] if conditions else "the project"


def environment_of(plan: Plan, function: str) -> dict[str, str | None]:
    """A function's plain variables; None where the value is known after apply only."""
    for address, _, values in resources(plan):
        if address == f'google_cloudfunctions2_function.function["{function}"]':
            known: dict[str, str | None] = values["service_config"][0]["environment_variables"]
            break
    else:
        raise AssertionError(f"{function} is not planned")
    change = next(
        resource_change for resource_change in plan["resource_changes"] if resource_change["address"] == address
    )
    unknown = change["change"]["after_unknown"]["service_config"][0]["environment_variables"]
    return {**known, **dict.fromkeys(unknown if isinstance(unknown, dict) else {})}


def test_each_account_may_do_what_it_needs_and_nothing_else(planned: Plan) -> None:
    assert granted(planned) == GRANTS


def test_nothing_is_granted_to_everyone(planned: Plan) -> None:
    members = [values["member"] for _, _, values in resources(planned) if values.get("member")]
    assert members
    assert not [member for member in members if member.startswith("all")]


def test_an_api_that_was_just_turned_on_is_waited_for(planned: Plan) -> None:
    services = [
        resource
        for resource in planned["configuration"]["root_module"]["resources"]
        if resource["type"] == "google_project_service"
    ]
    assert len(services) == 2
    for service in services:
        (provisioner,) = service["provisioners"]
        assert provisioner["type"] == "local-exec"
        assert "var.bootstrap.api_seconds" in str(provisioner["expressions"])


def test_functions_and_queues_get_the_sizes_that_the_local_system_runs_with(planned: Plan) -> None:
    sizes, retries = read_function_sizes(), read_queue_retries()
    functions, queues = dict[str, FunctionSize](), dict[str, QueueRetry]()
    for _, kind, values in resources(planned):
        name = values.get("name", "").rpartition("-")[2]
        if kind == "google_cloudfunctions2_function":
            (service,) = values["service_config"]
            functions[name] = FunctionSize(
                concurrency=service["max_instance_request_concurrency"],
                max_instances=service["max_instance_count"],
                timeout_seconds=service["timeout_seconds"],
            )
        elif kind == "google_cloud_tasks_queue":
            (retry,) = values["retry_config"]
            limit = retry.get("max_retry_duration")
            queues[name] = QueueRetry(
                max_attempts=retry["max_attempts"],
                max_retry_seconds=float(limit.removesuffix("s")) if limit else None,
                min_backoff_seconds=float(retry["min_backoff"].removesuffix("s")),
                max_backoff_seconds=float(retry["max_backoff"].removesuffix("s")),
                max_doublings=retry["max_doublings"],
            )
    assert functions == sizes
    assert queues == retries


def test_every_secret_is_given_to_the_functions_that_may_read_it(planned: Plan) -> None:
    given: dict[str, set[str]] = defaultdict(set)
    for _, kind, values in resources(planned):
        if kind == "google_cloudfunctions2_function":
            for secret in values["service_config"][0]["secret_environment_variables"]:
                given[secret["secret"].removeprefix("dropsight-prod-")].add(values["name"].rpartition("-")[2])
    readers: dict[str, set[str]] = defaultdict(set)
    for account, grants in granted(planned).items():
        for grant in grants:
            if grant.startswith("roles/secretmanager.secretAccessor on "):
                readers[grant.rpartition(" ")[2]].add(account)
    assert given == readers == {"gemini-api-key": {"generate", "sweep"}, "callback-secret": {"notify"}}


def test_no_secret_value_stands_in_a_plan(planned_with_everything: Plan) -> None:
    for value in SECRETS.values():
        assert value not in str(planned_with_everything)


def test_every_api_that_is_used_is_turned_on_and_no_other(planned: Plan) -> None:
    on = {
        values["service"].removesuffix(".googleapis.com")
        for _, kind, values in resources(planned)
        if kind == "google_project_service"
    }
    used = set(BEHIND)
    for _, kind, _ in resources(planned):
        if kind != "terraform_data":
            used.add(APIS[max((prefix for prefix in APIS if kind.startswith(prefix)), key=len)])
    assert on == used


def test_a_second_environment_shares_no_name_with_the_first(planned: Plan) -> None:
    second = checker.plan(project_id="acme-files", region="europe-west1", environment="staging")
    assert not identities(planned) & identities(second)


def identities(plan: Plan) -> set[tuple[str, ...]]:
    """What the cloud would call the same thing; APIs and the grants to Google's agents are shared on purpose."""
    names = ("account_id", "secret_id", "repository_id", "bucket", "database", "collection", "display_name", "name")
    found = set()
    for address, kind, values in resources(plan):
        agents = kind == "google_project_iam_member" and values.get("member") is None
        if kind in {"google_project_service", "terraform_data"} or agents:
            continue
        identity = tuple(str(values[name]) for name in names if values.get(name))
        shown = (values.get("member") or "", values.get("role") or "", values.get("secret") or "")
        if kind == "google_monitoring_dashboard":
            identity = (values["dashboard_json"],)
        if kind == "google_secret_manager_secret_version":
            # It lies in its secret, whose id is known after apply.
            continue
        assert identity or any(shown), f"{address} has no name that could be compared"
        found.add((kind, *identity, *shown))
    return found


@pytest.mark.parametrize("function", READS)
def test_a_functions_settings_can_be_read_from_its_environment(
    planned: Plan, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_after_apply = {
        "DROPSIGHT_GENERATE_URL": "https://dropsight-prod-generate-123456789012.europe-west1.run.app",
        "DROPSIGHT_NOTIFY_URL": "https://dropsight-prod-notify-123456789012.europe-west1.run.app",
        "DROPSIGHT_INSTALLED_AT": "2026-11-20T10:00:00Z",
    }
    monkeypatch.setenv("K_SERVICE", f"dropsight-prod-{function}")
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-test")
    monkeypatch.setenv("DROPSIGHT_CALLBACK_SECRET", "whsec_dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3Rz")
    for name, value in environment_of(planned, function).items():
        monkeypatch.setenv(name, known_after_apply[name] if value is None else value)
    read = READS[function]().model_dump()
    assert read["inboxes"] == {
        "acme-files-dropsight-prod-inbox": {
            "prefixes": ("",),
            "daily_cap": 10_000,
            "daily_budget": None,
            "recipes": None,
            "documents": False,
            "ignore": (),
        }
    }
    told = {"database", "environment", "source_bucket", "callback_queue", "notify_url"}
    for field, info in READS[function].model_fields.items():
        if field not in LOCAL_ONLY | told and info.default is not PydanticUndefined:
            assert read[field] == info.default, f"{field}: Terraform's default is not the code's"


def test_functions_are_told_only_addresses_of_their_own_environment(planned: Plan) -> None:
    for function in READS:
        for name, value in environment_of(planned, function).items():
            if name.endswith(("_BUCKET", "_QUEUE", "_DATABASE")):
                assert value is not None
                assert "dropsight-prod" in value


@pytest.fixture(scope="session")
def planned_with_everything() -> Plan:
    """The plan that has a resource of every kind and every optional block."""
    return checker.plan(
        project_id="acme-files",
        region="europe-west1",
        api={"public": True, "key_sources": ["gs://acme-archive/calls/"]},
        budget={"billing_account": "012345-6789AB-CDEF01", "monthly_amount": 200},
        callback_receivers={"services": ["projects/acme-web/locations/europe-west4/services/minutes"]},
        events={"topic": True, "bigquery": True},
        firestore={"daily_backup_days": 7, "weekly_backup_weeks": 8, "vector_dimensions": 768},
        alerts={"emails": ["oncall@example.com"]},
        inboxes={
            "inbox": {"writers": ["group:editors@example.com"], "delete_after_days": 30},
            "calls": {"bucket": "acme-recordings", "recipes": "firestore.indexes.json"},
        },
        kms_key="projects/acme-keys/locations/europe-west1/keyRings/files/cryptoKeys/dropsight",
        labels={"team": "files"},
        manifests={"orders": {"writers": ["group:shop@example.com"], "sources": ["gs://acme-invoices/2026/"]}},
        vpc={"connector": "projects/acme-files/locations/europe-west1/connectors/egress"},
        **SECRETS,
    )


def test_what_the_oldest_provider_is_told_the_newest_takes_too(planned_with_everything: Plan) -> None:
    newest = json.loads(newest_schema.KEPT.read_text())["resource"]
    unknown = {
        change["address"]: change["change"]["after_unknown"] for change in planned_with_everything["resource_changes"]
    }
    seen = {kind for _, kind, _ in resources(planned_with_everything)}
    assert seen - {"terraform_data"} == newest.keys()
    assert [
        difference
        for address, kind, values in resources(planned_with_everything)
        if kind in newest
        for difference in newest_schema.differences(address, values, unknown[address], newest[kind])
    ] == []
