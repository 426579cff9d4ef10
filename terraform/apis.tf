# Everything else names its project by local.project_id, and so waits until the APIs are on.

resource "google_project_service" "api" {
  for_each = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtasks.googleapis.com",
    "eventarc.googleapis.com",
    "firestore.googleapis.com",
    "generativelanguage.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ], var.budget == null ? [] : ["billingbudgets.googleapis.com"], var.kms_key == null ? [] : ["cloudkms.googleapis.com"]))

  project = var.project_id
  service = each.key

  # Others in the project may use the API too.
  disable_on_destroy = false
}

data "google_project" "this" {
  project_id = local.project_id
  depends_on = [google_project_service.api]
}

locals {
  project_id = distinct([for api in google_project_service.api : api.project])[0]
  prefix     = "dropsight-${var.environment}"
}
