"""The buckets, queues, accounts and functions of the local system, with the sizes and grants of terraform/."""

from __future__ import annotations

from dataclasses import dataclass

from local.deployment import read_function_sizes, read_queue_retries, read_storage_grants
from local.endpoints import PROJECT
from local.standins.cloud_tasks import QueueSpec
from local.standins.storage.iam import Grant, Policy
from local.workers import ROOT

INBOX, RESULTS, REQUESTS, SOURCE = "dropsight-inbox", "dropsight-results", "dropsight-requests", "dropsight-source"
INDEXES = ROOT / "terraform" / "firestore.indexes.json"
TOPIC = f"projects/{PROJECT}/topics/events"
"""Where events of ended tasks go, if DROPSIGHT_EVENTS_TOPIC names it."""
QUEUES = f"projects/{PROJECT}/locations/local/queues"
EVENTARC, TASKS, SCHEDULER, NOTIFY = (
    f"{name}@{PROJECT}.iam.gserviceaccount.com"
    for name in ("dropsight-eventarc", "dropsight-tasks", "dropsight-scheduler", "dropsight-notify")
)


@dataclass(frozen=True)
class FunctionSpec:
    """Who may call a function (None: everybody), and whether it is called with CloudEvents."""

    invokers: frozenset[str] | None
    event: bool = False


FUNCTIONS = {
    "api": FunctionSpec(None),
    "ingest": FunctionSpec(frozenset({EVENTARC}), event=True),
    "generate": FunctionSpec(frozenset({TASKS})),
    "notify": FunctionSpec(frozenset({TASKS})),
    "sweep": FunctionSpec(frozenset({SCHEDULER})),
}
SIZES = read_function_sizes()
"""Memory, time limit, concurrency and instances of each function."""


def queue_spec(name: str, rate: float = 500.0, concurrency: int = 1000) -> QueueSpec:
    """Return a queue with the retries of terraform/, `rate` dispatches a second and `concurrency` at once."""
    retry = read_queue_retries()[name]
    return QueueSpec(
        f"{QUEUES}/{name}",
        max_dispatches_per_second=rate,
        max_concurrent_dispatches=concurrency,
        max_attempts=retry.max_attempts,
        max_retry_duration=retry.max_retry_seconds or 0.0,
        min_backoff=retry.min_backoff_seconds,
        max_backoff=retry.max_backoff_seconds,
        max_doublings=retry.max_doublings,
    )


def storage_policy() -> Policy:
    """Return the grants that Terraform makes, for the buckets of this machine."""
    buckets = {"inboxes": INBOX, "requests": REQUESTS, "results": RESULTS, "source": SOURCE}
    policy: dict[str, list[Grant]] = {name: [] for name in FUNCTIONS}
    for grant in read_storage_grants():
        policy[grant.account].append(Grant(bucket=buckets[grant.bucket], role=grant.role, under=grant.under or ""))
    return Policy(policy)
