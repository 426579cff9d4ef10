# Every grant, each at the narrowest resource that takes it. A grant at the project stands only where the service knows
# no narrower one, with a condition that narrows it where IAM allows one.

# ---- the project

locals {
  database_only = {
    title      = "only this database"
    expression = "resource.name == \"projects/${local.project_id}/databases/${google_firestore_database.this.name}\""
  }
  # Cloud Functions copies the archive from our bucket into its own, from which the build reads it.
  source_only = {
    title      = "only functions' sources"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.source.name}/\") || resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-${var.region}\")"
  }

  project_grants = merge(
    { for name in keys(local.functions) : "${name} uses the database" => { email = local.emails[name], role = "roles/datastore.user", condition = local.database_only } },
    # The Telemetry API stores spans in the project; it knows no narrower resource.
    { for name in keys(local.functions) : "${name} writes traces" => { email = local.emails[name], role = "roles/telemetry.tracesWriter", condition = null } if var.traces.enabled },
    {
      "trigger receives events" = { email = local.emails.trigger, role = "roles/eventarc.eventReceiver", condition = null }
      "build reads sources"     = { email = local.emails.build, role = "roles/storage.objectViewer", condition = local.source_only }
      "build writes logs"       = { email = local.emails.build, role = "roles/logging.logWriter", condition = null }
    },
    # A workflow takes no grants of its own.
    var.callback_receivers.workflows ? { "notify calls workflows back" = { email = local.emails.notify, role = "roles/workflows.invoker", condition = null } } : {},
    { for name, grant in {
      "buckets publish events" = { email = local.service_agents.storage, role = "roles/pubsub.publisher", condition = null }
      "Eventarc does its work" = { email = local.service_agents.eventarc, role = "roles/eventarc.serviceAgent", condition = null }
    } : name => grant if var.bootstrap.grant_service_agents },
  )
}

resource "google_project_iam_member" "grant" {
  for_each = local.project_grants

  project = local.project_id
  role    = each.value.role
  member  = "serviceAccount:${each.value.email}"

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]
    content {
      title      = condition.value.title
      expression = condition.value.expression
    }
  }

  depends_on = [terraform_data.service_agent]
}

# ---- buckets

locals {
  # `under`: only objects whose names begin so. The bucket itself is named too, for it is what a listing is allowed on:
  # who may not list is answered 403, not 404, for an object that is not there.
  # The local system enforces the same grants. `inboxes` stands for each of them, `document_inboxes` for those that take
  # the documents of bundles.
  storage_grants = jsondecode(file("${path.module}/storage_grants.json"))
  own_buckets = {
    requests = google_storage_bucket.requests.name
    results  = google_storage_bucket.results.name
    source   = google_storage_bucket.source.name
  }
  inbox_groups = {
    inboxes          = local.inbox_buckets
    document_inboxes = { for name, bucket in local.inbox_buckets : name => bucket if var.inboxes[name].documents }
  }
  bucket_grants = merge(
    [for grant in local.storage_grants : {
      for name, bucket in try(local.inbox_groups[grant.bucket], { (grant.bucket) = local.own_buckets[grant.bucket] }) :
      contains(keys(local.inbox_groups), grant.bucket) ? "${grant.name} ${name}" : grant.name => { bucket = bucket, account = grant.account, role = grant.role, under = try(grant.under, null) }
    }]...
  )
}

resource "google_storage_bucket_iam_member" "function" {
  for_each = local.bucket_grants

  bucket = each.value.bucket
  role   = each.value.role
  member = "serviceAccount:${local.emails[each.value.account]}"

  dynamic "condition" {
    for_each = each.value.under == null ? [] : [each.value.under]
    content {
      title      = "only ${condition.value}"
      expression = "resource.name == \"projects/_/buckets/${each.value.bucket}\" || resource.name.startsWith(\"projects/_/buckets/${each.value.bucket}/objects/${condition.value}\")"
    }
  }
}

resource "google_storage_bucket_iam_member" "inbox_writer" {
  for_each = merge([for name, inbox in var.inboxes : { for member in inbox.writers : "${member} drops into ${name}" => { bucket = local.inbox_buckets[name], member = member } }]...)

  bucket = each.value.bucket
  role   = "roles/storage.objectUser"
  member = each.value.member
}

resource "google_storage_bucket_iam_member" "manifest_writer" {
  for_each = merge([for folder, access in var.manifests : { for member in access.writers : "${member} writes ${folder}" => { folder = folder, member = member } }]...)

  bucket = google_storage_bucket.requests.name
  role   = "roles/storage.objectCreator"
  member = each.value.member

  condition {
    title      = "only manifests/${each.value.folder}/"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.requests.name}/objects/manifests/${each.value.folder}/\")"
  }
}

# generate may read inboxes anyhow. Another bucket must have uniform access, or it refuses the condition.
resource "google_storage_bucket_iam_member" "manifest_source" {
  for_each = {
    for source in distinct(concat(flatten(values(var.manifests)[*].sources), var.api.key_sources)) : source => regex("^gs://(?P<bucket>[^/]+)/(?P<under>.*)$", source)
    if !contains(values(local.inbox_buckets), split("/", source)[2])
  }

  bucket = each.value.bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${local.emails.generate}"

  condition {
    title      = "only what requests may name"
    expression = "resource.name == \"projects/_/buckets/${each.value.bucket}\" || resource.name.startsWith(\"projects/_/buckets/${each.value.bucket}/objects/${each.value.under}\")"
  }
}

# ---- queues, and acting as the account whose token they present

locals {
  enqueuers = {
    dispatch  = { queue = google_cloud_tasks_queue.dispatch, accounts = ["ingest", "generate", "api", "sweep"] }
    callbacks = { queue = google_cloud_tasks_queue.callbacks, accounts = ["generate", "sweep"] }
  }
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = merge([for name, grant in local.enqueuers : { for account in grant.accounts : "${account} fills ${name}" => { queue = grant.queue, account = account } }]...)

  project  = local.project_id
  location = each.value.queue.location
  name     = each.value.queue.name
  role     = "roles/cloudtasks.enqueuer"
  member   = "serviceAccount:${local.emails[each.value.account]}"
}

# Sweep asks whether a task's dispatch, or the notice of its callback, still lies on the queue.
resource "google_cloud_tasks_queue_iam_member" "viewer" {
  for_each = { for name, grant in local.enqueuers : name => grant.queue }

  project  = local.project_id
  location = each.value.location
  name     = each.value.name
  role     = "roles/cloudtasks.viewer"
  member   = "serviceAccount:${local.emails.sweep}"
}

resource "google_service_account_iam_member" "queues_user" {
  for_each = toset(flatten([for grant in local.enqueuers : grant.accounts]))

  service_account_id = "projects/${local.project_id}/serviceAccounts/${local.emails.queues}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${local.emails[each.key]}"
}

# ---- secrets

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = merge([for name, secrets in local.function_secrets : { for secret in values(secrets) : "${name} reads ${secret}" => { account = name, secret = secret } }]...)

  project   = local.project_id
  secret_id = google_secret_manager_secret.secret[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.emails[each.value.account]}"
}

# ---- calling functions

locals {
  invokers = { ingest = "trigger", generate = "queues", notify = "queues", sweep = "scheduler" }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers

  project  = local.project_id
  location = var.region
  name     = google_cloudfunctions2_function.function[each.key].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.emails[each.value]}"

  # A replaced function is a new service, without the old one's grants.
  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.function[each.key].id]
  }
}

resource "google_cloud_run_v2_service_iam_member" "api_caller" {
  for_each = toset(var.api.public ? ["allUsers"] : var.api.invokers)

  project  = local.project_id
  location = var.region
  name     = google_cloudfunctions2_function.function["api"].name
  role     = "roles/run.invoker"
  member   = each.key

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.function["api"].id]
  }
}

# ---- building

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = local.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${local.emails.build}"
}

# ---- the customer's key

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = toset(var.kms_key == null ? [] : concat(["firestore", "secretmanager", "storage"], length(local.events) == 0 ? [] : ["pubsub"]))

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${local.service_agents[each.key]}"

  depends_on = [terraform_data.service_agent]
}

# ---- spreading

# A new grant holds everywhere only after a minute or two; a build or a trigger that comes sooner fails, and with it the
# first apply. Waits once, and again only when there are other grants.
resource "terraform_data" "grants_settled" {
  count = var.bootstrap.settle_seconds > 0 ? 1 : 0

  triggers_replace = sort(keys(local.project_grants))

  provisioner "local-exec" {
    command = "sleep ${var.bootstrap.settle_seconds}"
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_cloud_tasks_queue_iam_member.enqueuer,
    google_project_iam_member.grant,
    google_pubsub_topic_iam_member.generate,
    google_secret_manager_secret_iam_member.reader,
    google_service_account_iam_member.queues_user,
    google_storage_bucket_iam_member.function,
  ]
}

# ---- receivers of callbacks outside of Dropsight

resource "google_cloud_run_v2_service_iam_member" "callback_receiver" {
  for_each = { for service in distinct(var.callback_receivers.services) : service => split("/", service) }

  project  = each.value[1]
  location = each.value[3]
  name     = each.value[5]
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.emails.notify}"
}
