# Everything else names its project by local.project_id, and so waits until the APIs are on.

# What every other resource's name or grant is read through. These have a resource of their own: if one more API were
# turned on in it later, Terraform would not know the project's number until then, and would replace the grants of
# Google's agents and the settings of the functions.
resource "google_project_service" "foundation" {
  for_each = toset([
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "storage.googleapis.com",
  ])

  project = var.project_id
  service = each.key

  disable_on_destroy = false

  provisioner "local-exec" {
    command = "sleep ${var.bootstrap.api_seconds}"
  }
}

moved {
  from = google_project_service.api["cloudresourcemanager.googleapis.com"]
  to   = google_project_service.foundation["cloudresourcemanager.googleapis.com"]
}

moved {
  from = google_project_service.api["iam.googleapis.com"]
  to   = google_project_service.foundation["iam.googleapis.com"]
}

moved {
  from = google_project_service.api["storage.googleapis.com"]
  to   = google_project_service.foundation["storage.googleapis.com"]
}

resource "google_project_service" "api" {
  for_each = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtasks.googleapis.com",
    "eventarc.googleapis.com",
    "firestore.googleapis.com",
    "generativelanguage.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
  ], var.budget == null ? [] : ["billingbudgets.googleapis.com"], var.kms_key == null ? [] : ["cloudkms.googleapis.com"], var.events.bigquery ? ["bigquery.googleapis.com"] : [], var.traces.enabled ? ["cloudtrace.googleapis.com", "telemetry.googleapis.com"] : []))

  project = var.project_id
  service = each.key

  # Others in the project may use the API too.
  disable_on_destroy = false

  # An API that was just turned on refuses calls for up to a minute. Waits once, when the API is turned on.
  provisioner "local-exec" {
    command = "sleep ${var.bootstrap.api_seconds}"
  }
}

data "google_project" "this" {
  project_id = var.project_id
  depends_on = [google_project_service.foundation]
}

locals {
  project_id = distinct([for api in google_project_service.api : api.project])[0]
  prefix     = "dropsight-${var.environment}"
}
