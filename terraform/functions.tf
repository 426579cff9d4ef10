# The five functions, all from one archive. Their environment is what shared/settings.py reads, under the same names.

locals {
  # The local system reads the same file. generate has a worker and up to eight children, which start when they are
  # needed: two examine files, two convert them, and one each takes documents apart, splits files, checks answers and
  # draws. A child has at most 768 MiB of address space (shared/sandbox.py), of which it uses about a third.
  # No timeout is below 960 s: it is also how long gunicorn's master lets a worker be silent, and an idle instance, which
  # Cloud Run freezes for up to 15 minutes, is silent.
  sizes          = jsondecode(file("${path.module}/sizes.json"))
  function_sizes = local.sizes.functions
  functions = {
    for name, size in local.function_sizes : name => merge(
      size,
      { for key, value in try(var.functions[name], {}) : key => value if value != null },
    )
  }

  # Cloud Run's deterministic address, known before the function is there: generate has to name its own.
  function_urls = { for name in keys(local.functions) : name => "https://${local.prefix}-${name}-${data.google_project.this.number}.${var.region}.run.app" }

  everyones_environment = {
    DROPSIGHT_ENVIRONMENT         = var.environment
    DROPSIGHT_PROJECT             = local.project_id
    DROPSIGHT_DATABASE            = google_firestore_database.this.name
    DROPSIGHT_INBOXES             = jsonencode(local.inbox_settings)
    DROPSIGHT_REQUESTS_BUCKET     = google_storage_bucket.requests.name
    DROPSIGHT_RESULTS_BUCKET      = google_storage_bucket.results.name
    DROPSIGHT_SOURCE_BUCKET       = google_storage_bucket.source.name
    DROPSIGHT_TASK_DAYS           = tostring(var.tasks.days)
    DROPSIGHT_MANIFESTS_DAILY_CAP = tostring(var.tasks.manifests_daily_cap)
    DROPSIGHT_TRACES              = var.traces.enabled ? "cloud" : "off"
    DROPSIGHT_TRACES_SAMPLED      = tostring(var.traces.sampled)
    # `import shared` needs the archive's root on the path.
    PYTHONPATH = "/workspace"
  }
  dispatching_environment = {
    DROPSIGHT_DISPATCH_QUEUE = local.queue_paths.dispatch
    DROPSIGHT_GENERATE_URL   = local.function_urls.generate
    DROPSIGHT_INVOKER        = local.emails.queues
  }
  spending_environment = {
    DROPSIGHT_DAILY_BUDGET       = tostring(var.spending.daily)
    DROPSIGHT_INBOX_DAILY_BUDGET = tostring(var.spending.inbox_daily)
    DROPSIGHT_KEY_DAILY_BUDGET   = tostring(var.spending.key_daily)
    DROPSIGHT_TASK_BUDGET        = tostring(var.spending.task)
    DROPSIGHT_BUDGET_ACTION      = var.spending.action
  }
  calling_back_environment = {
    DROPSIGHT_CALLBACK_QUEUE = local.queue_paths.callbacks
    DROPSIGHT_NOTIFY_URL     = local.function_urls.notify
  }
  ending_environment = {
    DROPSIGHT_EVENTS_TOPIC = local.events_topic
  }
  function_environments = {
    ingest = merge(local.everyones_environment, local.dispatching_environment, {
      DROPSIGHT_SETTLE_SECONDS = tostring(var.tasks.settle_seconds)
    })
    generate = merge(local.everyones_environment, local.dispatching_environment, local.calling_back_environment, local.spending_environment, local.ending_environment, {
      DROPSIGHT_LEASE_SECONDS = tostring(var.tasks.lease_seconds)
      # The rest of the timeout is for handing over to the next dispatch.
      DROPSIGHT_TIME_LIMIT_SECONDS  = tostring(local.functions.generate.timeout_seconds - 100)
      DROPSIGHT_MAX_ATTEMPTS        = tostring(var.tasks.max_attempts)
      DROPSIGHT_TASK_MAX_AGE_HOURS  = tostring(var.tasks.max_age_hours)
      DROPSIGHT_FLEX_PATIENCE_HOURS = tostring(var.tasks.flex_patience_hours)
      DROPSIGHT_FETCH_SECONDS       = tostring(var.tasks.fetch_seconds)
      DROPSIGHT_MOST_PARTS          = tostring(var.tasks.most_parts)
      DROPSIGHT_MANIFEST_SOURCES    = jsonencode({ for folder, access in var.manifests : folder => access.sources })
      DROPSIGHT_TRANSFERS           = tostring(var.tasks.transfers)
    })
    api = merge(local.everyones_environment, local.dispatching_environment, local.calling_back_environment, local.spending_environment, local.ending_environment, {
      DROPSIGHT_CORS_ORIGINS = jsonencode(var.api.cors_origins)
      DROPSIGHT_SYNC_SECONDS = tostring(var.api.sync_seconds)
    })
    notify = merge(local.everyones_environment, {})
    sweep = merge(local.everyones_environment, local.dispatching_environment, local.calling_back_environment, local.spending_environment, {
      DROPSIGHT_INSTALLED_AT        = terraform_data.installed_at.output
      DROPSIGHT_EVENT_HORIZON_HOURS = tostring(var.tasks.event_horizon_hours)
      DROPSIGHT_GRACE_SECONDS       = tostring(var.tasks.grace_seconds)
      # The rest of the timeout is for what is under way when the time is up.
      DROPSIGHT_TIME_LIMIT_SECONDS = tostring(local.functions.sweep.timeout_seconds - 300)
    })
  }

  # Variables whose values are secrets, and whose secret each one is; iam.tf grants exactly these.
  function_secrets = {
    ingest   = {}
    generate = { GEMINI_API_KEY = "gemini_api_key" }
    api      = {}
    notify   = { DROPSIGHT_CALLBACK_SECRET = "callback_secret" }
    sweep    = { GEMINI_API_KEY = "gemini_api_key" }
  }
}

# The time of the first apply: older objects in an adopted bucket are not taken by themselves.
resource "terraform_data" "installed_at" {
  input = plantimestamp()

  lifecycle {
    ignore_changes = [input]
  }
}

# A repository of our own, so that the build account may write to this one only.
resource "google_artifact_registry_repository" "images" {
  project       = local.project_id
  location      = var.region
  repository_id = local.prefix
  format        = "DOCKER"
  description   = "Images of Dropsight's functions, as Cloud Build makes them"

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "2592000s"
    }
  }
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  project     = local.project_id
  location    = var.region
  name        = "${local.prefix}-${each.key}"
  description = local.account_purposes[each.key]

  build_config {
    runtime           = var.runtime
    entry_point       = each.key
    docker_repository = "projects/${local.project_id}/locations/${var.region}/repositories/${google_artifact_registry_repository.images.repository_id}"
    service_account   = "projects/${local.project_id}/serviceAccounts/${local.emails.build}"

    environment_variables = {
      GOOGLE_FUNCTION_SOURCE = "functions/${each.key}/main.py"
    }

    source {
      storage_source {
        bucket = google_storage_bucket_object.source.bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = local.emails[each.key]
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    timeout_seconds                  = each.value.timeout_seconds
    ingress_settings                 = each.key == "api" ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision   = true
    environment_variables            = local.function_environments[each.key]
    vpc_connector                    = try(var.vpc.connector, null)
    vpc_connector_egress_settings    = var.vpc == null ? null : var.vpc.all_traffic ? "ALL_TRAFFIC" : "PRIVATE_RANGES_ONLY"

    dynamic "secret_environment_variables" {
      for_each = local.function_secrets[each.key]
      content {
        key        = secret_environment_variables.key
        project_id = local.project_id
        secret     = google_secret_manager_secret.secret[secret_environment_variables.value].secret_id
        version    = google_secret_manager_secret_version.current[secret_environment_variables.value].version
      }
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.concurrency == 1 || tonumber(each.value.cpu) >= 1
      error_message = "${each.key}: more than one request at once needs at least 1 CPU."
    }
    precondition {
      condition     = each.value.timeout_seconds >= 960 && each.value.timeout_seconds <= (contains(["generate", "notify", "sweep"], each.key) ? 1800 : 3600)
      error_message = "${each.key}: Cloud Tasks and Cloud Scheduler wait 1,800 s, others 3,600 s at most; below 960 s, a worker that was idle is killed when it wakes."
    }
    precondition {
      condition     = each.key != "api" || var.api.sync_seconds < each.value.timeout_seconds
      error_message = "api: sync_seconds must be below the function's timeout."
    }
  }

  # Without its indexes a query would fail, and without its grants the build or the first request.
  depends_on = [
    google_firestore_index.composite,
    google_firestore_field.override,
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.grant,
    google_secret_manager_secret_iam_member.reader,
    google_storage_bucket_iam_member.function,
    terraform_data.grants_settled,
  ]
}

# Should Cloud Run ever give another address than the one in the environment, every plan and apply says so.
data "google_cloud_run_v2_service" "generate" {
  project    = local.project_id
  location   = var.region
  name       = "${local.prefix}-generate"
  depends_on = [google_cloudfunctions2_function.function]
}

check "function_urls" {
  assert {
    condition     = contains(data.google_cloud_run_v2_service.generate.urls, local.function_urls.generate)
    error_message = "Cloud Run does not serve generate at ${local.function_urls.generate}: dispatches would not arrive."
  }
}
