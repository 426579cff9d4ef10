# Who may do what.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "grants_by_default" {
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.api_caller) == 0
    error_message = "The API is open to someone though nobody said so."
  }

  assert {
    condition = alltrue([for grant in concat(
      values(google_project_iam_member.grant)[*].member,
      values(google_storage_bucket_iam_member.function)[*].member,
      values(google_storage_bucket_iam_member.inbox_writer)[*].member,
      values(google_storage_bucket_iam_member.manifest_writer)[*].member,
      values(google_cloud_tasks_queue_iam_member.enqueuer)[*].member,
      values(google_secret_manager_secret_iam_member.reader)[*].member,
      values(google_service_account_iam_member.queues_user)[*].member,
      values(google_cloud_run_v2_service_iam_member.invoker)[*].member,
    ) : can(regex("^serviceAccount:[a-z0-9-]+@[a-z0-9.-]+[.]gserviceaccount[.]com$", grant))])
    error_message = "Something is granted to everyone, or to one who is not a service account."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.grant : !contains(["roles/owner", "roles/editor", "roles/viewer"], grant.role) && !can(regex("(?i)admin|token[cC]reator", grant.role))])
    error_message = "A primitive or administrator's role is granted."
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.grant : "${grant.role} ${grant.member}" if !strcontains(grant.member, "@acme-files.")]) == toset(["roles/pubsub.publisher serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com", "roles/eventarc.serviceAgent serviceAccount:service-123456789012@gcp-sa-eventarc.iam.gserviceaccount.com"])
    error_message = "Google's agents need these two roles for an event to arrive, and no other."
  }

  # What can be granted on a bucket, a queue, a secret, an account or a service is not granted on the project.
  assert {
    condition = alltrue([for grant in google_project_iam_member.grant : contains([
      "roles/datastore.user", "roles/eventarc.eventReceiver", "roles/eventarc.serviceAgent", "roles/logging.logWriter", "roles/pubsub.publisher",
    ], grant.role) || (grant.role == "roles/storage.objectViewer" && length(grant.condition) == 1)])
    error_message = "A role is granted on the whole project that a narrower resource takes."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.grant : strcontains(grant.condition[0].expression, "/databases/${google_firestore_database.this.name}\"") if grant.role == "roles/datastore.user"])
    error_message = "A function may use other databases of the project."
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.grant : grant.member if grant.role == "roles/datastore.user"]) == toset([for name in keys(google_cloudfunctions2_function.function) : "serviceAccount:${google_cloudfunctions2_function.function[name].service_config[0].service_account_email}"])
    error_message = "The database is for the functions, all of them and nobody else."
  }

  assert {
    condition     = length(distinct(values(google_cloudfunctions2_function.function)[*].service_config[0].service_account_email)) == length(google_cloudfunctions2_function.function)
    error_message = "Two functions share an account."
  }

  assert {
    condition     = length(setintersection(values(google_cloudfunctions2_function.function)[*].service_config[0].service_account_email, [for name in ["build", "queues", "scheduler", "trigger"] : "dropsight-prod-${name}@acme-files.iam.gserviceaccount.com"])) == 0
    error_message = "A function runs as the account that builds or calls functions."
  }

  assert {
    condition = alltrue([for grant in google_storage_bucket_iam_member.function :
      grant.role == "roles/storage.objectViewer" || (grant.role == "roles/storage.objectCreator" && grant.member == "serviceAccount:${output.service_accounts.api}")
    if contains(values(output.inboxes), grant.bucket)])
    error_message = "Only api may write into an inbox, and only new objects, for those who upload: what is written becomes a task."
  }

  assert {
    condition     = toset([for grant in google_storage_bucket_iam_member.function : grant.member if grant.bucket == output.results_bucket && grant.role != "roles/storage.objectViewer"]) == toset(["serviceAccount:${output.service_accounts.generate}"])
    error_message = "Results are written by generate and by nobody else."
  }

  assert {
    condition = alltrue([for grant in google_storage_bucket_iam_member.function :
      grant.member == "serviceAccount:${output.service_accounts.api}" && can(regex("/objects/(api|uploads)/\"\\)$", grant.condition[0].expression))
    if grant.bucket == output.requests_bucket && grant.role != "roles/storage.objectViewer"])
    error_message = "Requests are written by api, under api/ and uploads/ only."
  }

  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.function : length(grant.condition) == 1 if grant.bucket == google_storage_bucket.source.name])
    error_message = "A function may read or write the deployed source."
  }

  # Without it, Cloud Storage answers 403 instead of 404 for an object that is not there.
  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.function : startswith(grant.condition[0].expression, "resource.name == \"projects/_/buckets/${grant.bucket}\" || ") if length(grant.condition) == 1])
    error_message = "A function that reads under a prefix may not list the bucket."
  }

  assert {
    condition     = { for name, grant in google_cloud_run_v2_service_iam_member.invoker : name => grant.member } == { ingest = "serviceAccount:${output.service_accounts.trigger}", generate = "serviceAccount:${output.service_accounts.queues}", notify = "serviceAccount:${output.service_accounts.queues}", sweep = "serviceAccount:${output.service_accounts.scheduler}" }
    error_message = "Each function is called by one service only: ingest by Eventarc, generate and notify by Cloud Tasks, sweep by Cloud Scheduler."
  }

  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.role == "roles/run.invoker"])
    error_message = "Whoever calls a function may do more than call it."
  }

  assert {
    condition     = toset([for grant in google_secret_manager_secret_iam_member.reader : "${grant.member} ${grant.secret_id}"]) == toset(["serviceAccount:${output.service_accounts.generate} dropsight-prod-gemini-api-key", "serviceAccount:${output.service_accounts.sweep} dropsight-prod-gemini-api-key", "serviceAccount:${output.service_accounts.notify} dropsight-prod-callback-secret"])
    error_message = "A secret is read by others than those who need it."
  }

  assert {
    condition     = alltrue([for grant in google_service_account_iam_member.queues_user : endswith(grant.service_account_id, "/${output.service_accounts.queues}") && grant.role == "roles/iam.serviceAccountUser"])
    error_message = "A function may act as another account than the queues'."
  }

  assert {
    condition     = google_artifact_registry_repository_iam_member.build.role == "roles/artifactregistry.writer" && google_artifact_registry_repository_iam_member.build.member == "serviceAccount:${output.service_accounts.build}"
    error_message = "The build account writes images, and no more."
  }

  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.function : function.service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY" if name != "api"])
    error_message = "A function that only Google's services call is reachable from the internet."
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.callback_receiver) == 0 && length([for grant in google_project_iam_member.grant : grant if grant.role == "roles/workflows.invoker"]) == 0
    error_message = "notify may call services though none is named."
  }
}
