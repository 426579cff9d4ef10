# An object that is written into an inbox or into the requests bucket calls ingest, and so does one that is deleted from
# an inbox: indexes must not answer from it. Eventarc delivers at least once and tries again for a day until ingest answers
# 2xx; what is lost after that, sweep finds.

locals {
  watched_buckets = merge(
    { for name, inbox in google_storage_bucket.inbox : name => { bucket = inbox.name, location = inbox.location } },
    { for name, inbox in data.google_storage_bucket.adopted : name => { bucket = inbox.name, location = inbox.location } },
    { requests = { bucket = google_storage_bucket.requests.name, location = google_storage_bucket.requests.location } },
  )
}

resource "google_eventarc_trigger" "finalized" {
  for_each = local.watched_buckets

  project         = local.project_id
  name            = "${local.prefix}-${each.key}"
  service_account = local.emails.trigger
  # Events are only seen where the bucket is; the function may run elsewhere.
  location = lower(each.value.location)

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.finalized"
  }
  matching_criteria {
    attribute = "bucket"
    value     = each.value.bucket
  }

  destination {
    cloud_run_service {
      service = google_cloudfunctions2_function.function["ingest"].name
      region  = var.region
      path    = "/"
    }
  }

  # generate too: what ingest dispatches must find it there.
  depends_on = [
    google_cloud_run_v2_service_iam_member.invoker,
    google_cloud_tasks_queue_iam_member.enqueuer,
    google_cloudfunctions2_function.function,
    google_project_iam_member.grant,
    google_service_account_iam_member.queues_user,
  ]
}

resource "google_eventarc_trigger" "deleted" {
  for_each = { for name, bucket in local.watched_buckets : name => bucket if name != "requests" }

  project         = local.project_id
  name            = "${local.prefix}-deleted-from-${each.key}"
  service_account = local.emails.trigger
  location        = lower(each.value.location)

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.deleted"
  }
  matching_criteria {
    attribute = "bucket"
    value     = each.value.bucket
  }

  destination {
    cloud_run_service {
      service = google_cloudfunctions2_function.function["ingest"].name
      region  = var.region
      path    = "/"
    }
  }

  depends_on = [
    google_cloud_run_v2_service_iam_member.invoker,
    google_cloud_tasks_queue_iam_member.enqueuer,
    google_cloudfunctions2_function.function,
    google_project_iam_member.grant,
    google_service_account_iam_member.queues_user,
  ]
}
