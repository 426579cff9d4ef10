# Events of ended tasks for other services: a topic, and on request a BigQuery table of all of them. generate publishes
# CloudEvents in binary mode; the columns of events.columns.json are the fields of a task that SQL is asked about.

locals {
  events       = var.events.topic || var.events.bigquery ? ["events"] : []
  events_table = var.events.bigquery ? ["events"] : []
  events_topic = length(local.events) == 0 ? "" : "projects/${local.project_id}/topics/${local.prefix}-events"
}

resource "google_pubsub_topic" "events" {
  for_each = toset(local.events)

  project                    = local.project_id
  name                       = "${local.prefix}-events"
  kms_key_name               = var.kms_key
  message_retention_duration = "604800s"

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_pubsub_topic_iam_member" "generate" {
  for_each = google_pubsub_topic.events

  project = local.project_id
  topic   = each.value.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${local.emails.generate}"
}

resource "google_bigquery_dataset" "events" {
  for_each = toset(local.events_table)

  project                    = local.project_id
  dataset_id                 = replace("${local.prefix}_tasks", "-", "_")
  location                   = var.region
  description                = "Dropsight ${var.environment}: every ended task"
  delete_contents_on_destroy = !var.deletion_protection
}

resource "google_bigquery_table" "events" {
  for_each = google_bigquery_dataset.events

  project             = local.project_id
  dataset_id          = each.value.dataset_id
  table_id            = "ended"
  deletion_protection = var.deletion_protection
  schema              = file("${path.module}/events.columns.json")
  clustering          = ["recipe"]

  time_partitioning {
    type  = "DAY"
    field = "publish_time"
  }
}

resource "google_bigquery_table_iam_member" "pubsub" {
  for_each = google_bigquery_table.events

  project    = local.project_id
  dataset_id = each.value.dataset_id
  table_id   = each.value.table_id
  role       = "roles/bigquery.dataEditor"
  member     = "serviceAccount:${local.service_agents.pubsub}"

  depends_on = [terraform_data.service_agent]
}

# Pub/Sub writes each message itself, at least once: count distinct ids.
resource "google_pubsub_subscription" "bigquery" {
  for_each = google_bigquery_table.events

  project                    = local.project_id
  name                       = "${local.prefix}-events-bigquery"
  topic                      = google_pubsub_topic.events[each.key].id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }

  bigquery_config {
    table               = "${local.project_id}.${each.value.dataset_id}.${each.value.table_id}"
    use_table_schema    = true
    drop_unknown_fields = true
    write_metadata      = true
  }

  depends_on = [google_bigquery_table_iam_member.pubsub]
}
