# What is kept, and what is watched: database, secrets, APIs, alerts, budget, encryption.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "what_is_kept_by_default" {
  assert {
    condition = length(setsubtract([for name in ["artifactregistry", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "cloudtasks", "eventarc", "firestore", "generativelanguage", "iam", "logging", "monitoring", "pubsub", "run", "secretmanager", "storage"] : "${name}.googleapis.com"],
    concat(values(google_project_service.foundation), values(google_project_service.api))[*].service)) == 0
    error_message = "An API that is used is not turned on."
  }

  assert {
    condition     = alltrue([for api in concat(values(google_project_service.foundation), values(google_project_service.api)) : api.disable_on_destroy == false])
    error_message = "Destroying this would turn APIs off under others in the project."
  }

  assert {
    condition     = google_firestore_database.this.name != "(default)" && google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.this.type == "FIRESTORE_NATIVE"
    error_message = "The database is not a protected one of its own."
  }

  assert {
    condition     = toset([for field in google_firestore_field.override : "${field.collection}.${field.field}" if length(field.ttl_config) == 1]) == toset([for field in jsondecode(file("firestore.indexes.json")).fieldOverrides : "${field.collectionGroup}.${field.fieldPath}" if try(field.ttl, false)])
    error_message = "Documents that expire are kept for ever, or others are not."
  }

  assert {
    condition     = alltrue([for group in ["tasks", "chunks", "idempotency"] : contains([for field in google_firestore_field.override : field.collection if length(field.ttl_config) == 1], group)])
    error_message = "Tasks, chunks and idempotency records must expire."
  }

  assert {
    condition     = toset([for index in google_firestore_index.composite : join(",", concat([index.collection], [for field in index.fields : "${field.field_path} ${coalesce(field.order, field.array_config)}"]))]) == toset([for index in jsondecode(file("firestore.indexes.json")).indexes : join(",", concat([index.collectionGroup], [for field in index.fields : "${field.fieldPath} ${try(field.order, field.arrayConfig)}"]))])
    error_message = "A query would lack its index."
  }

  # The queries of shared/cloud/firestore.py, which the file could lose too.
  assert {
    condition     = length(google_firestore_index.composite) >= 4 && length(google_firestore_index.vector) == 0
    error_message = "The list of tasks needs an index for each combination of its filters."
  }

  assert {
    condition     = length(google_firestore_field.override["tasks *"].index_config) == 1 && length(google_firestore_field.override["tasks *"].index_config[0].indexes) == 0
    error_message = "Every field of a task is indexed: a rising one limits writes to about 500 a second."
  }

  assert {
    condition     = length(google_firestore_field.override["tasks open"].index_config[0].indexes) == 1
    error_message = "Sweep's query of open tasks would lack its index."
  }

  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.current : version.secret_data == null && version.secret_data_wo_version == 1])
    error_message = "A secret's value would stand in the state."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secret : secret.deletion_protection])
    error_message = "A secret could be destroyed by mistake."
  }

  assert {
    condition     = alltrue(flatten([for function in google_cloudfunctions2_function.function : [for name in keys(function.service_config[0].environment_variables) : !can(regex("(KEY|SECRET|TOKEN|PASSWORD)$", name))]]))
    error_message = "A secret is given in a plain variable."
  }

  assert {
    condition     = { for name, function in google_cloudfunctions2_function.function : name => { for each in function.service_config[0].secret_environment_variables : each.key => each.secret } if length(function.service_config[0].secret_environment_variables) > 0 } == { generate = { GEMINI_API_KEY = "dropsight-prod-gemini-api-key" }, notify = { DROPSIGHT_CALLBACK_SECRET = "dropsight-prod-callback-secret" }, sweep = { GEMINI_API_KEY = "dropsight-prod-gemini-api-key" } }
    error_message = "A function is not given the secrets that it needs, or is given others."
  }

  assert {
    condition     = alltrue(flatten([for function in google_cloudfunctions2_function.function : [for each in function.service_config[0].secret_environment_variables : each.version != "latest"]]))
    error_message = "A rotated secret would reach instances at some time or other: name the version."
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : length(policy.notification_channels) >= 1])
    error_message = "An alert reaches nobody."
  }

  assert {
    condition     = length(setsubtract(["blocked", "bugs", "callbacks", "errors", "failed_ratio", "queue_delay", "queue_depth", "spend", "sweep_findings", "sweep_silent"], keys(google_monitoring_alert_policy.alert))) == 0
    error_message = "Something that goes wrong has no alert."
  }

  # A metric nobody has written yet must not fail the first apply.
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "An alert on a metric that is minutes old is refused."
  }

  assert {
    condition     = alltrue(flatten([for policy in google_monitoring_alert_policy.alert : [for metric in regexall("logging_googleapis_com:user_dropsight_prod_([a-z_]+)", policy.conditions[0].condition_prometheus_query_language[0].query) : contains(keys(google_logging_metric.counted), metric[0])]]))
    error_message = "An alert watches a metric that nobody counts."
  }

  assert {
    condition     = alltrue([for metric in google_logging_metric.counted : strcontains(metric.filter, "jsonPayload.") && strcontains(metric.filter, "\"dropsight-prod-")])
    error_message = "A metric counts the entries of others."
  }

  assert {
    condition     = !can(regex("\"[xy]Pos\":0[,}]", google_monitoring_dashboard.this.dashboard_json)) && length(regexall("\"xPos\":6", google_monitoring_dashboard.this.dashboard_json)) == 3
    error_message = "The dashboard has positions of zero, which the API leaves out: every plan would change it."
  }

  assert {
    condition     = google_storage_bucket.results.soft_delete_policy[0].retention_duration_seconds == 0 && google_storage_bucket.requests.soft_delete_policy[0].retention_duration_seconds == 0
    error_message = "Raw answers or requests outlive their days by a week, soft-deleted."
  }

  assert {
    condition = (
      anytrue([for rule in google_storage_bucket.results.lifecycle_rule : one(rule.condition).with_state == "ANY" && one(rule.condition).age == 31 if try(contains(one(rule.condition).matches_prefix, "tasks/"), false)]) &&
      anytrue([for rule in google_storage_bucket.results.lifecycle_rule : one(rule.condition).days_since_noncurrent_time == 1 if try(contains(one(rule.condition).matches_prefix, "tasks/"), false)])
    )
    error_message = "Raw answers outlive their days as noncurrent versions."
  }

  assert {
    condition     = length(google_billing_budget.project) == 0
    error_message = "A budget is made though nobody asked for one."
  }

  assert {
    condition     = length(google_pubsub_topic.events) + length(google_bigquery_table.events) == 0 && google_cloudfunctions2_function.function["generate"].service_config[0].environment_variables.DROPSIGHT_EVENTS_TOPIC == ""
    error_message = "Events are sent though nobody asked for them."
  }
}
