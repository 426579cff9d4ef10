output "inboxes" {
  description = "The inbox buckets by their short names: where to drop files."
  value       = local.inbox_buckets
}

output "requests_bucket" {
  description = "Where other services write manifests/…"
  value       = google_storage_bucket.requests.name
}

output "results_bucket" {
  description = "Where results are published, as {inbox bucket}/{object name}.…"
  value       = google_storage_bucket.results.name
}

output "api_url" {
  description = "The HTTP API's address."
  value       = local.function_urls.api
}

output "sweep_url" {
  description = "The address of sweep, which the scheduler's account may call: for a backfill."
  value       = local.function_urls.sweep
}

output "database" {
  description = "The Firestore database that holds the tasks."
  value       = google_firestore_database.this.name
}

output "first_key_command" {
  description = "Makes the first API key, which is shown once; run it in the repository with your own credentials."
  value       = ".venv/bin/dropsight keys --project ${local.project_id} --database ${google_firestore_database.this.name} create --name first${join("", [for bucket in values(local.inbox_buckets) : " --source gs://${bucket}/"])}"
}

output "service_accounts" {
  description = "The service accounts by what they are for, for grants on what lies outside this configuration."
  value       = local.emails
}

output "callback_secret_command" {
  description = "Shows the secret that signs callbacks, for their receivers."
  value       = "gcloud secrets versions access latest --project=${local.project_id} --secret=${google_secret_manager_secret.secret["callback_secret"].secret_id}"
}

output "events_topic" {
  description = "The Pub/Sub topic of ended tasks' events; empty without `events`."
  value       = local.events_topic
}

output "events_table" {
  description = "The BigQuery table of ended tasks; empty without `events.bigquery`."
  value       = length(local.events_table) == 0 ? "" : "${local.project_id}.${google_bigquery_table.events["events"].dataset_id}.${google_bigquery_table.events["events"].table_id}"
}

output "secret_versions" {
  description = "The version numbers of the secrets, which `dropsight secrets` raises."
  value       = var.secret_versions
}
