# One identity for each function and for each service that calls a function; none is shared, none has a key.

locals {
  account_purposes = {
    ingest    = "function: makes tasks of objects"
    generate  = "function: asks Gemini about a task's files"
    api       = "function: the public HTTP API"
    notify    = "function: delivers callbacks"
    sweep     = "function: finds what was lost, and dispatches it again"
    trigger   = "Eventarc calls ingest as this"
    queues    = "Cloud Tasks calls generate and notify as this"
    scheduler = "Cloud Scheduler calls sweep as this"
    build     = "Cloud Build builds the functions as this"
  }

  # Written out, not read from the account's computed attributes, so that a plan shows who is granted what.
  emails = { for name, account in google_service_account.account : name => "${account.account_id}@${account.project}.iam.gserviceaccount.com" }

  service_agents = {
    eventarc      = "service-${data.google_project.this.number}@gcp-sa-eventarc.iam.gserviceaccount.com"
    firestore     = "service-${data.google_project.this.number}@gcp-sa-firestore.iam.gserviceaccount.com"
    pubsub        = "service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    secretmanager = "service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    storage       = data.google_storage_project_service_account.agent.email_address
  }
}

resource "google_service_account" "account" {
  for_each = local.account_purposes

  project      = local.project_id
  account_id   = "${local.prefix}-${each.key}"
  display_name = "Dropsight ${var.environment} ${each.key}"
  description  = each.value
}

# Reading it makes it, if it is not there.
data "google_storage_project_service_account" "agent" {
  project    = var.project_id
  depends_on = [google_project_service.foundation]
}

# Google makes the other service agents when a service is first used, which is too late to grant them anything. Asking
# for one beforehand takes google-beta or gcloud.
resource "terraform_data" "service_agent" {
  for_each = toset(!var.bootstrap.create_service_agents ? [] : concat(
    ["eventarc", "pubsub"],
    var.kms_key == null ? [] : ["firestore", "secretmanager"],
  ))

  triggers_replace = [local.project_id]

  provisioner "local-exec" {
    environment = {
      SERVICE = "${each.key}.googleapis.com"
      PROJECT = local.project_id
    }
    # Not fatal: the agent may be there already, and a grant to one that is not fails with its name.
    command = <<-SHELL
      gcloud beta services identity create --quiet --service="$SERVICE" --project="$PROJECT" ||
        echo "Not made. If it turns out to be missing: gcloud beta services identity create --service=$SERVICE --project=$PROJECT" >&2
    SHELL
  }
}
