from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pytest
from google.api_core import exceptions


def test_a_bucket_has_the_cloud_s_defaults(bucket: Any) -> None:
    bucket.reload()
    assert (bucket.location, bucket.location_type, bucket.storage_class) == ("US", "multi-region", "STANDARD")
    assert bucket.metageneration == 1
    assert not bucket.versioning_enabled
    assert not bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.time_created is not None


def test_a_bucket_keeps_what_it_was_created_with(client: Any) -> None:
    made = client.bucket(f"b-{uuid.uuid4().hex}")
    made.labels = {"team": "sight"}
    made.storage_class = "NEARLINE"
    made.add_lifecycle_delete_rule(age=3)
    made.iam_configuration.uniform_bucket_level_access_enabled = True
    made.create(location="europe-west1")
    found = client.get_bucket(made.name)
    assert (found.location, found.location_type) == ("EUROPE-WEST1", "region")
    assert (found.labels, found.storage_class) == ({"team": "sight"}, "NEARLINE")
    assert [dict(rule) for rule in found.lifecycle_rules] == [{"action": {"type": "Delete"}, "condition": {"age": 3}}]
    assert found.iam_configuration.uniform_bucket_level_access_enabled


def test_the_policy_of_a_new_bucket_names_its_project_by_the_id(client: Any, bucket: Any) -> None:
    members = {member for binding in bucket.get_iam_policy().bindings for member in binding["members"]}
    assert members == {f"{kind}:{client.project}" for kind in ("projectEditor", "projectOwner", "projectViewer")}


def test_a_lifecycle_rule_may_name_its_storage_class_in_lower_case(bucket: Any) -> None:
    bucket.add_lifecycle_set_storage_class_rule("coldline", age=60)
    bucket.patch()
    assert [rule["action"]["storageClass"] for rule in bucket.lifecycle_rules] == ["coldline"]


def test_a_name_that_is_taken_is_refused(client: Any, bucket: Any) -> None:
    with pytest.raises(exceptions.Conflict):
        client.create_bucket(bucket.name)


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Upper", "-dash", "a..b", "192.168.0.1", "my-google-bucket", "goog-x"]
)
def test_names_that_the_cloud_forbids_are_refused(http: httpx2.Client, name: str) -> None:
    answer = http.post("/storage/v1/b?project=p", json={"name": name})
    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == "invalid"


def test_addresses_may_lack_the_version_as_googles_client_for_node_sends_them(bucket: Any, http: httpx2.Client) -> None:
    assert http.get(f"/b/{bucket.name}").json()["name"] == bucket.name
    assert http.get(f"/b/{bucket.name}/o").json()["kind"] == "storage#objects"
    assert "email_address" in http.get("/projects/p/serviceAccount").json()


def test_a_missing_bucket_is_not_found_everywhere(client: Any) -> None:
    missing = client.bucket("no-such-bucket-here")
    assert not missing.exists()
    assert client.lookup_bucket("no-such-bucket-here") is None
    for call in (missing.reload, missing.delete, lambda: list(missing.list_blobs()), missing.blob("x").reload):
        with pytest.raises(exceptions.NotFound):
            call()
    with pytest.raises(exceptions.NotFound):
        missing.blob("x").upload_from_string(b"x")


def test_a_bucket_with_objects_is_not_deleted(client: Any, bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    blob.delete()
    bucket.delete()
    assert not bucket.exists()


def test_a_noncurrent_version_keeps_its_bucket_from_deletion(versioned: Any) -> None:
    blob = versioned.blob("x")
    blob.upload_from_string(b"x")
    versioned.delete_blob("x")
    with pytest.raises(exceptions.Conflict):
        versioned.delete()


def test_patch_merges_labels_and_null_removes_one(bucket: Any, http: httpx2.Client) -> None:
    path = f"/storage/v1/b/{bucket.name}"
    http.patch(path, json={"labels": {"a": "1", "b": "2"}})
    found = http.patch(path, json={"labels": {"a": None, "c": "3"}}).json()
    assert found["labels"] == {"b": "2", "c": "3"}
    assert found["metageneration"] == "3"


def test_an_empty_list_of_cors_rules_removes_them(bucket: Any, http: httpx2.Client) -> None:
    path = f"/storage/v1/b/{bucket.name}"
    assert "cors" in http.patch(path, json={"cors": [{"origin": ["*"], "method": ["GET"]}]}).json()
    assert "cors" not in http.patch(path, json={"cors": []}).json()


def test_update_replaces_the_whole_configuration(bucket: Any, http: httpx2.Client) -> None:
    path = f"/storage/v1/b/{bucket.name}"
    http.patch(path, json={"labels": {"a": "1"}, "versioning": {"enabled": True}})
    found = http.put(path, json={"labels": {"b": "2"}}).json()
    assert found["labels"] == {"b": "2"}
    assert "versioning" not in found


def test_a_bucket_s_preconditions_are_kept(bucket: Any) -> None:
    bucket.reload()
    bucket.labels = {"x": "y"}
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.patch(if_metageneration_match=bucket.metageneration + 1)
    bucket.patch(if_metageneration_match=bucket.metageneration)
    with pytest.raises(exceptions.NotModified):
        bucket.reload(if_metageneration_not_match=bucket.metageneration)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.delete(if_metageneration_match=77)


def test_buckets_are_listed_by_prefix_in_pages(client: Any) -> None:
    prefix = f"p{uuid.uuid4().hex}-"
    names = [f"{prefix}{letter}" for letter in "abcde"]
    for name in names:
        client.create_bucket(name)
    assert [found.name for found in client.list_buckets(prefix=prefix, page_size=2)] == names
    assert [found.name for found in client.list_buckets(prefix=prefix, max_results=3)] == names[:3]


def test_an_iam_policy_is_kept_and_guarded_by_its_etag(bucket: Any) -> None:
    policy = bucket.get_iam_policy(requested_policy_version=3)
    stale = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:someone@example.com"}})
    bucket.set_iam_policy(policy)
    assert bucket.get_iam_policy().bindings == policy.bindings
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(stale)
    assert bucket.test_iam_permissions(["storage.objects.get", "compute.x"]) == ["storage.objects.get"]


def test_notification_configurations_are_kept(bucket: Any) -> None:
    made = bucket.notification("topic", event_types=["OBJECT_FINALIZE"], payload_format="JSON_API_V1")
    made.create()
    assert [found.topic_name for found in bucket.list_notifications()] == ["topic"]
    assert bucket.get_notification(made.notification_id).event_types == ["OBJECT_FINALIZE"]
    made.delete()
    assert not made.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"topic": None}, "Invalid Google Cloud Pub/Sub topic"),
        ({"topic": "//pubsub.googleapis.com/projects/p/topics/"}, "Invalid Google Cloud Pub/Sub topic"),
        ({"topic": "topic"}, "Invalid Google Cloud Pub/Sub topic"),
        ({"payload_format": None}, "Invalid payload format"),
        ({"payload_format": "XML"}, "Invalid payload format: XML"),
        ({"event_types": ["OBJECT_FINALIZE", "OBJECT_READ"]}, "Invalid event type: OBJECT_READ"),
        ({"custom_attributes": {"a": 1}}, "custom_attributes.a"),
    ],
)
def test_a_notification_configuration_that_the_service_cannot_use_is_refused(
    bucket: Any, change: dict[str, object], message: str
) -> None:
    config = {"topic": "//pubsub.googleapis.com/projects/p/topics/t", "payload_format": "NONE", **change}
    path = f"/b/{bucket.name}/notificationConfigs"
    with pytest.raises(exceptions.BadRequest, match=message):
        bucket.client._connection.api_request(method="POST", path=path, data=config)
    assert list(bucket.list_notifications()) == []


def test_a_locked_retention_policy_stays(bucket: Any) -> None:
    bucket.retention_period = 100
    bucket.patch()
    bucket.lock_retention_policy()
    bucket.retention_period = None
    with pytest.raises(exceptions.Forbidden):
        bucket.patch()


def test_access_lists_can_be_read_and_changed_until_access_is_uniform(bucket: Any) -> None:
    bucket.acl.all().grant_read()
    bucket.acl.save()
    bucket.acl.reload()
    assert "READER" in bucket.acl.all().get_roles()
    blob = bucket.blob("x")
    blob.upload_from_string(b"x")
    blob.make_public()
    assert "READER" in blob.acl.all().get_roles()
    blob.make_private()
    assert "READER" not in blob.acl.all().get_roles()
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.patch()
    with pytest.raises(exceptions.BadRequest):
        bucket.acl.reload()


def test_hmac_keys_can_be_made_disabled_and_deleted(client: Any) -> None:
    key, secret = client.create_hmac_key("robot@example.com")
    assert len(secret) == 40
    assert key in set(client.list_hmac_keys(service_account_email="robot@example.com"))
    with pytest.raises(exceptions.BadRequest):
        key.delete()
    key.state = "INACTIVE"
    key.update()
    key.delete()
    assert not key.exists()


@pytest.mark.parametrize(
    "call",
    [
        ("GET", "b?project=p&softDeleted=true"),
        ("GET", "b/{bucket}/o?softDeleted=true"),
        ("POST", "b/{bucket}/managedFolders"),
        ("POST", "b/{bucket}/o/watch"),
        ("POST", "b/{bucket}/restore?generation=1"),
    ],
)
def test_what_is_not_offered_is_said_plainly(bucket: Any, http: httpx2.Client, call: tuple[str, str]) -> None:
    method, path = call
    answer = http.request(method, f"/storage/v1/{path.format(bucket=bucket.name)}")
    assert answer.status_code == 501
    assert "does not offer it" in answer.json()["error"]["message"]


def test_paths_that_are_none_are_not_found_and_methods_that_are_none_not_allowed(http: httpx2.Client) -> None:
    assert http.get("/storage/v1/nothing").status_code == 404
    assert http.delete("/storage/v1/b").status_code == 405


@pytest.mark.parametrize(
    "config",
    [
        {"rpo": "SOON"},
        {"autoclass": {"enabled": True, "terminalStorageClass": "COLDLINE"}},
        {"lifecycle": {"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age": 1}}]}},
        {
            "lifecycle": {
                "rule": [{"action": {"type": "SetStorageClass", "storageClass": "ICE"}, "condition": {"age": 1}}]
            }
        },
    ],
)
def test_a_bucket_s_unknown_values_are_refused(client: Any, bucket: Any, config: dict[str, object]) -> None:
    for method, path in (("POST", "/b"), ("PATCH", f"/b/{bucket.name}")):
        with pytest.raises(exceptions.BadRequest):
            client._connection.api_request(method=method, path=path, data={"name": f"b-{uuid.uuid4().hex}", **config})


def test_a_location_that_is_none_is_refused(client: Any) -> None:
    with pytest.raises(exceptions.BadRequest, match="The specified location constraint is not valid"):
        client.bucket(f"b-{uuid.uuid4().hex}").create(location="no place")
