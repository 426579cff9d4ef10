# A database of its own, so that another one in the project, `(default)` perhaps, is neither needed nor touched.
# What is indexed, exempt or expires stands in firestore.indexes.json, which the local system reads too.

locals {
  indexes = jsondecode(file("${path.module}/firestore.indexes.json"))
}

resource "google_firestore_database" "this" {
  project                           = local.project_id
  name                              = local.prefix
  location_id                       = coalesce(var.firestore.location, var.region)
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = var.firestore.point_in_time_recovery ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = "DELETE"

  dynamic "cmek_config" {
    for_each = local.customer_keys
    content {
      kms_key_name = cmek_config.value
    }
  }

  # A database keeps its key for life: another one would replace it, with every task in it.
  lifecycle {
    ignore_changes = [cmek_config]
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

check "kms_key" {
  assert {
    condition     = try(google_firestore_database.this.cmek_config[0].kms_key_name, null) == var.kms_key && alltrue([for secret in google_secret_manager_secret.secret : try(secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name, null) == var.kms_key])
    error_message = "The database and the secrets keep the key that they were made with; kms_key holds for new objects of the buckets only. To have all under it, make another environment with it, and move over."
  }
}

resource "google_firestore_index" "composite" {
  for_each = { for index in local.indexes.indexes : join(" ", concat([index.collectionGroup], [for field in index.fields : field.fieldPath])) => index }

  project     = local.project_id
  database    = google_firestore_database.this.name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}

# For nearest search among the vectors that the recipe `embed` puts into tasks' documents; by its own, the product does none.
resource "google_firestore_index" "vector" {
  for_each = var.firestore.vector_dimensions == null ? {} : { for index in local.indexes.vectorIndexes : index.collectionGroup => index }

  project     = local.project_id
  database    = google_firestore_database.this.name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  fields {
    field_path = "__name__"
    order      = "ASCENDING"
  }

  fields {
    field_path = each.value.fields[0].fieldPath

    vector_config {
      dimension = var.firestore.vector_dimensions
      flat {}
    }
  }
}

resource "google_firestore_field" "override" {
  for_each = { for field in local.indexes.fieldOverrides : "${field.collectionGroup} ${field.fieldPath}" => field }

  project    = local.project_id
  database   = google_firestore_database.this.name
  collection = each.value.collectionGroup
  field      = each.value.fieldPath

  # An empty block exempts the field: nothing of it is indexed but what stands here.
  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes
      content {
        query_scope  = indexes.value.queryScope
        order        = try(indexes.value.order, null)
        array_config = try(indexes.value.arrayConfig, null)
      }
    }
  }

  dynamic "ttl_config" {
    for_each = try(each.value.ttl, false) ? [true] : []
    content {}
  }
}

resource "google_firestore_backup_schedule" "daily" {
  count = var.firestore.daily_backup_days == null ? 0 : 1

  project   = local.project_id
  database  = google_firestore_database.this.name
  retention = "${var.firestore.daily_backup_days * 86400}s"

  daily_recurrence {}
}

resource "google_firestore_backup_schedule" "weekly" {
  count = var.firestore.weekly_backup_weeks == null ? 0 : 1

  project   = local.project_id
  database  = google_firestore_database.this.name
  retention = "${var.firestore.weekly_backup_weeks * 604800}s"

  weekly_recurrence {
    day = "SUNDAY"
  }
}

# What `dropsight keys create` compares a key's sources with: prefixes that generate may read.
resource "google_firestore_document" "deployment" {
  project     = local.project_id
  database    = google_firestore_database.this.name
  collection  = "deployment"
  document_id = "current"
  fields = jsonencode({
    sources = { arrayValue = { values = [for source in concat([for bucket in values(local.inbox_buckets) : "gs://${bucket}/"], var.api.key_sources) : { stringValue = source }] } }
  })
}
