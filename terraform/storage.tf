# Inboxes are read; uploads of people add objects, and so does generate where `documents` has it hand over the documents
# of a bundle, which are never cut again. No result is ever written there. Requests and results are buckets
# of their own: a result written into an inbox would become a task again. The source bucket holds what is deployed, and
# the operator's recipes.

locals {
  bucket_names = merge(
    { for name in ["requests", "results", "source"] : name => "${local.project_id}-${local.prefix}-${name}" },
    { for name, inbox in var.inboxes : name => "${local.project_id}-${local.prefix}-${name}" if inbox.bucket == null },
  )

  inbox_buckets = { for name, inbox in var.inboxes : name => inbox.bucket == null ? google_storage_bucket.inbox[name].name : inbox.bucket }

  # By the name that events carry; what settings.inboxes reads.
  inbox_settings = {
    for name, bucket in local.inbox_buckets : bucket => merge(
      {
        prefixes  = var.inboxes[name].prefixes
        daily_cap = var.inboxes[name].daily_cap
        documents = var.inboxes[name].documents
        ignore    = var.inboxes[name].ignore
        recipes   = try("gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.recipes[name].name}", null)
      },
      { for setting, amount in { daily_budget = var.inboxes[name].daily_budget } : setting => amount if amount != null },
    )
  }

  # Where the archive is not built yet, a plan goes on with a name that says so.
  archive      = startswith(var.source_archive, "/") ? var.source_archive : "${path.module}/${var.source_archive}"
  archive_hash = fileexists(local.archive) ? substr(filesha256(local.archive), 0, 16) : "not-built-yet"

  customer_keys = var.kms_key == null ? [] : [var.kms_key]
}

data "google_storage_bucket" "adopted" {
  for_each = { for name, inbox in var.inboxes : name => inbox.bucket if inbox.bucket != null }

  name    = each.value
  project = var.project_id
}

resource "google_storage_bucket" "inbox" {
  for_each = { for name, inbox in var.inboxes : name => inbox if inbox.bucket == null }

  project                     = local.project_id
  name                        = local.bucket_names[each.key]
  location                    = var.region
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # A deleted or overwritten file can be brought back for a week.
  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.delete_after_days == null ? [] : [each.value.delete_after_days]
    content {
      action {
        type = "Delete"
      }
      condition {
        age = lifecycle_rule.value
      }
    }
  }

  dynamic "encryption" {
    for_each = local.customer_keys
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket" "requests" {
  project                     = local.project_id
  name                        = local.bucket_names.requests
  location                    = var.region
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # A request holds the caller's inline data; it lives as long as its task, whose days count from its end.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.tasks.days + ceil(var.tasks.max_age_hours / 24) + 1
    }
  }

  dynamic "encryption" {
    for_each = local.customer_keys
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    precondition {
      condition     = !contains(values(local.inbox_buckets), local.bucket_names.requests)
      error_message = "The requests bucket cannot be an inbox: every request would be taken twice."
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket" "results" {
  project                     = local.project_id
  name                        = local.bucket_names.results
  location                    = var.region
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # A newer file's result overwrites the older one's; that can be had back for a month.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  # Versions already keep what was overwritten or deleted; soft deletion would keep raw answers for another week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # Raw answers serve their task only, in whatever version; what is published stays.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.tasks.days + 1
      matches_prefix = ["tasks/"]
      with_state     = "ANY"
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 1
      matches_prefix             = ["tasks/"]
    }
  }

  dynamic "encryption" {
    for_each = local.customer_keys
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    precondition {
      condition     = !contains(values(local.inbox_buckets), local.bucket_names.results)
      error_message = "The results bucket cannot be an inbox: every result would become a task again, without end."
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_storage_bucket" "source" {
  project                     = local.project_id
  name                        = local.bucket_names.source
  location                    = var.region
  force_destroy               = !var.deletion_protection
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  dynamic "encryption" {
    for_each = local.customer_keys
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    precondition {
      condition     = !contains(values(local.inbox_buckets), local.bucket_names.source)
      error_message = "The source bucket cannot be an inbox: deployed code would become a task."
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

# The hash in the name is what makes a changed archive a changed function.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "source/${local.archive_hash}.zip"
  source = local.archive

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_storage_bucket_object" "recipes" {
  for_each = { for name, inbox in var.inboxes : name => inbox.recipes if inbox.recipes != null }

  bucket = google_storage_bucket.source.name
  name   = "recipes/${each.key}-${substr(filesha256(each.value), 0, 16)}${try(regex("[.][a-z]+$", each.value), "")}"
  source = each.value
}

check "archive" {
  assert {
    condition     = fileexists(local.archive)
    error_message = "${local.archive} is not there: run `make package` before apply."
  }
}
