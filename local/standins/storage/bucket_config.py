"""A bucket's configuration: the settable fields, checked, and those that the cloud fills in."""

from __future__ import annotations

import re
from typing import Any

from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.object_config import check_storage_class
from local.standins.storage.records import Json

_SETTABLE = (
    *("autoclass", "billing", "cors", "defaultEventBasedHold", "encryption", "iamConfiguration", "ipFilter", "labels"),
    *("lifecycle", "logging", "retentionPolicy", "rpo", "softDeletePolicy", "storageClass", "versioning", "website"),
)
_AT_CREATION = ("customPlacementConfig", "hierarchicalNamespace")
_MULTI_REGIONS = ("US", "EU", "ASIA")
_DUAL_REGIONS = ("NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1")
_LABEL = re.compile(r"[\w-]{0,63}")
_LIFECYCLE_ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
_PUBLIC_ACCESS = ("enforced", "inherited", "unspecified")
_RPO = ("DEFAULT", "ASYNC_TURBO")
_TERMINAL_CLASSES = ("NEARLINE", "ARCHIVE")
_LOCATION = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*")


def new_config(config: Json, now: str, lock_time: str) -> Json:
    """Return the configuration of a new bucket from the caller's `config` and the defaults."""
    location = str(config.get("location") or "US").upper()
    if not _LOCATION.fullmatch(location):
        raise invalid("The specified location constraint is not valid.")
    kind = "region"
    if config.get("customPlacementConfig") or location in _DUAL_REGIONS:
        kind = "dual-region"
    elif location in _MULTI_REGIONS:
        kind = "multi-region"
    state: Json = {"location": location, "locationType": kind, "storageClass": "STANDARD", "iamConfiguration": {}}
    # Nothing deleted is kept here, which is what a duration of 0 says.
    state["softDeletePolicy"] = {"retentionDurationSeconds": "0"}
    if kind != "region":
        state["rpo"] = "DEFAULT"
    state |= {key: config[key] for key in _AT_CREATION if config.get(key) is not None}
    return configured(state, {key: value for key, value in config.items() if value is not None}, now, lock_time)


def patched_config(state: Json, patch: Json, now: str, lock_time: str) -> Json:
    """Return the configuration after a JSON Merge Patch: objects merge by member, null removes, lists are replaced."""
    merged = {key: _merge(state.get(key), value) for key, value in patch.items()}
    return configured(state, merged, now, lock_time)


def replaced_config(state: Json, config: Json, now: str, lock_time: str) -> Json:
    retained: Json = {
        key: state[key] for key in ("storageClass", "iamConfiguration", "softDeletePolicy", "rpo") if key in state
    }
    cleared: Json = dict.fromkeys(_SETTABLE)
    return configured(state, {**cleared, **retained, **config}, now, lock_time)


def configured(state: Json, config: Json, now: str, lock_time: str) -> Json:
    result = dict(state)
    for key in _SETTABLE:
        if key not in config:
            continue
        if config[key] is None or (
            config[key] in ({}, []) and key in ("cors", "labels", "lifecycle", "retentionPolicy")
        ):
            result.pop(key, None)
        else:
            result[key] = config[key]
    _check(result)
    _fill_in(state, result, now, lock_time)
    return result


def _merge(before: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _check(state: Json) -> None:
    check_storage_class(state["storageClass"])
    labels = state.get("labels") or {}
    for key, value in labels.items():
        if not key or not _LABEL.fullmatch(key) or not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise invalid(f"Invalid label: {key}={value!r}")
        if key != key.lower() or value != value.lower():
            raise invalid(f"Invalid label: {key}={value}: labels are in lower case.")
    if len(labels) > 64:
        raise invalid("A bucket can have at most 64 labels.")
    for rule in state.get("lifecycle", {}).get("rule") or ():
        _check_lifecycle(rule)
    period = state.get("retentionPolicy", {"retentionPeriod": 1}).get("retentionPeriod")
    if period is None or not 0 < int(period) <= 3_155_760_000:
        raise invalid(f"Invalid retention period: {period}")
    if state["iamConfiguration"].get("publicAccessPrevention", "inherited") not in _PUBLIC_ACCESS:
        raise invalid("Invalid argument: publicAccessPrevention is 'enforced' or 'inherited'.")
    if state.get("rpo", "DEFAULT") not in _RPO:
        raise invalid(f"Invalid argument: rpo is {' or '.join(_RPO)}.")
    if (state.get("autoclass") or {}).get("terminalStorageClass", "NEARLINE") not in _TERMINAL_CLASSES:
        raise invalid(f"Invalid argument: terminalStorageClass is {' or '.join(_TERMINAL_CLASSES)}.")


def _check_lifecycle(rule: Json) -> None:
    action = rule.get("action") or {}
    if action.get("type") not in _LIFECYCLE_ACTIONS or not rule.get("condition"):
        raise invalid("Invalid lifecycle rule: it needs a known action and at least one condition.")
    if action["type"] == "SetStorageClass":
        # Lower case is accepted here.
        check_storage_class(str(action.get("storageClass") or "").upper())


def _fill_in(before: Json, state: Json, now: str, lock_time: str) -> None:
    _fill_in_access(before, state, lock_time)
    if policy := state.get("retentionPolicy"):
        _check_lock(before.get("retentionPolicy"), policy)
        old = before.get("retentionPolicy", {})
        same = old.get("retentionPeriod") == str(policy.get("retentionPeriod"))
        effective = old["effectiveTime"] if same else now
        policy = {**policy, "retentionPeriod": str(policy["retentionPeriod"]), "effectiveTime": effective}
        state["retentionPolicy"] = {"isLocked": False, **policy}
    else:
        _check_lock(before.get("retentionPolicy"), None)
    if state.get("softDeletePolicy"):
        seconds = str(state["softDeletePolicy"].get("retentionDurationSeconds", "0"))
        state["softDeletePolicy"] = {"retentionDurationSeconds": seconds, "effectiveTime": now}
    if autoclass := state.get("autoclass"):
        _fill_in_autoclass(before.get("autoclass") or {}, autoclass, state, now)
    for key, value in list((state.get("encryption") or {}).items()):
        if (
            isinstance(value, dict)
            and value.get("restrictionMode") == "FullyRestricted"
            and "effectiveTime" not in value
        ):
            state["encryption"] = {**state["encryption"], key: {**value, "effectiveTime": now}}


def _fill_in_access(before: Json, state: Json, lock_time: str) -> None:
    iam = dict(state["iamConfiguration"])
    older, newer = iam.get("bucketPolicyOnly") or {}, iam.get("uniformBucketLevelAccess") or {}
    was = (before.get("iamConfiguration") or {}).get("uniformBucketLevelAccess", {})
    enabled = newer.get("enabled", older.get("enabled", False))
    uniform: Json = {"enabled": bool(enabled)}
    if enabled:
        uniform["lockedTime"] = was.get("lockedTime", lock_time)
    iam |= {"bucketPolicyOnly": dict(uniform), "uniformBucketLevelAccess": uniform}
    iam.setdefault("publicAccessPrevention", "inherited")
    state["iamConfiguration"] = iam


def _check_lock(before: Json | None, after: Json | None) -> None:
    if before and before.get("isLocked"):
        if after is None or int(after["retentionPeriod"]) < int(before["retentionPeriod"]):
            raise ApiError(403, "The retention policy is locked: it can be neither removed nor shortened.")
        after["isLocked"] = True


def _fill_in_autoclass(before: Json, autoclass: Json, state: Json, now: str) -> None:
    filled = dict(autoclass)
    if bool(before.get("enabled")) != bool(autoclass.get("enabled")):
        filled["toggleTime"] = now
    if filled.get("enabled"):
        filled.setdefault("terminalStorageClass", "NEARLINE")
        if filled["terminalStorageClass"] != before.get("terminalStorageClass"):
            filled["terminalStorageClassUpdateTime"] = now
    state["autoclass"] = filled
