# What the variables change.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "with_everything_set" {
  variables {
    api                = { public = true, key_sources = ["gs://acme-archive/calls/"] }
    budget             = { billing_account = "012345-6789AB-CDEF01", monthly_amount = 200 }
    callback_receivers = { services = ["projects/acme-web/locations/europe-west4/services/minutes"], workflows = true }
    events             = { topic = true, bigquery = true }
    gemini_api_key     = "AIza-rotated"
    firestore          = { daily_backup_days = 7, weekly_backup_weeks = 8, vector_dimensions = 768 }
    inboxes = {
      inbox = { writers = ["group:editors@example.com"], ignore = ["*.bak", "drafts/**"] }
      scans = { documents = true }
    }
    manifests = {
      orders = {
        writers = ["serviceAccount:orders@acme-shop.iam.gserviceaccount.com"]
        sources = ["gs://acme-files-dropsight-prod-inbox/orders/", "gs://acme-invoices/2026/"]
      }
    }
    secret_versions = { gemini_api_key = 2 }
    traces          = { enabled = true, sampled = 0.25 }
    vpc             = { connector = "projects/acme-files/locations/europe-west1/connectors/egress" }
  }

  assert {
    condition     = [for grant in google_cloud_run_v2_service_iam_member.api_caller : "${grant.name} ${grant.member}"] == ["dropsight-prod-api allUsers"]
    error_message = "A public API is open to all, and nothing else is."
  }

  assert {
    condition     = toset([for grant in google_storage_bucket_iam_member.function : "${grant.bucket} ${grant.role}" if contains(values(output.inboxes), grant.bucket) && grant.member == "serviceAccount:${output.service_accounts.generate}" && grant.role != "roles/storage.objectViewer"]) == toset(["${output.inboxes.scans} roles/storage.objectCreator"])
    error_message = "generate adds objects to inboxes that take documents, and to no other."
  }

  assert {
    condition     = { for bucket, inbox in jsondecode(google_cloudfunctions2_function.function["generate"].service_config[0].environment_variables.DROPSIGHT_INBOXES) : bucket => inbox.documents } == { (output.inboxes.scans) = true, (output.inboxes.inbox) = false }
    error_message = "generate is told which inboxes take documents."
  }

  assert {
    condition     = { for name, function in google_cloudfunctions2_function.function : name => "${function.service_config[0].environment_variables.DROPSIGHT_TRACES} ${function.service_config[0].environment_variables.DROPSIGHT_TRACES_SAMPLED}" } == { for name in ["api", "generate", "ingest", "notify", "sweep"] : name => "cloud 0.25" }
    error_message = "Every function traces, and knows which share."
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.grant : grant.member if grant.role == "roles/telemetry.tracesWriter"]) == toset([for name in ["api", "generate", "ingest", "notify", "sweep"] : "serviceAccount:${output.service_accounts[name]}"])
    error_message = "Every function may write traces."
  }

  assert {
    condition     = length(setintersection(["cloudtrace.googleapis.com", "telemetry.googleapis.com"], keys(google_project_service.api))) == 2
    error_message = "The APIs that take and show traces are on."
  }

  assert {
    condition     = [for grant in google_storage_bucket_iam_member.manifest_writer : "${grant.bucket} ${grant.role}"] == ["${output.requests_bucket} roles/storage.objectCreator"] && alltrue([for grant in google_storage_bucket_iam_member.manifest_writer : endswith(grant.condition[0].expression, "/objects/manifests/orders/\")")])
    error_message = "Who hands work over may write its folder of manifests/, and no more."
  }

  assert {
    condition = { for source, grant in google_storage_bucket_iam_member.manifest_source : source => "${grant.bucket} ${grant.role} ${grant.member} ${grant.condition[0].expression}" } == {
      for source, at in { "gs://acme-invoices/2026/" = ["acme-invoices", "2026/"], "gs://acme-archive/calls/" = ["acme-archive", "calls/"] } :
      source => "${at[0]} roles/storage.objectViewer serviceAccount:${output.service_accounts.generate} resource.name == \"projects/_/buckets/${at[0]}\" || resource.name.startsWith(\"projects/_/buckets/${at[0]}/objects/${at[1]}\")"
    }
    error_message = "generate may read what manifests and keys may name, and no more of that bucket."
  }

  assert {
    condition     = [for value in jsondecode(google_firestore_document.deployment.fields).sources.arrayValue.values : value.stringValue] == ["gs://acme-files-dropsight-prod-inbox/", "gs://acme-files-dropsight-prod-scans/", "gs://acme-archive/calls/"]
    error_message = "Whoever makes a key is not told which sources generate may read."
  }

  assert {
    condition     = jsondecode(google_cloudfunctions2_function.function["generate"].service_config[0].environment_variables.DROPSIGHT_MANIFEST_SOURCES) == { orders = ["gs://acme-files-dropsight-prod-inbox/orders/", "gs://acme-invoices/2026/"] }
    error_message = "generate is not told what manifests may name."
  }

  assert {
    condition     = [for grant in google_storage_bucket_iam_member.inbox_writer : "${grant.bucket} ${grant.role}"] == ["${output.inboxes.inbox} roles/storage.objectUser"]
    error_message = "Who drops files may do so in that inbox, and no more."
  }

  assert {
    condition     = google_billing_budget.project[0].amount[0].specified_amount[0].units == "200" && contains(values(google_project_service.api)[*].service, "billingbudgets.googleapis.com") && length(google_billing_budget.project[0].all_updates_rule[0].monitoring_notification_channels) == 1
    error_message = "The budget is not told to those who hear the alerts."
  }

  assert {
    condition     = google_firestore_backup_schedule.daily[0].retention == "604800s" && google_firestore_backup_schedule.weekly[0].retention == "4838400s"
    error_message = "Backups are not kept as long as asked."
  }

  assert {
    condition     = [for field in google_firestore_index.vector["tasks"].fields : try(field.vector_config[0].dimension, field.order)] == ["ASCENDING", 768]
    error_message = "Nearest search lacks its index."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.service_config[0].vpc_connector == var.vpc.connector && function.service_config[0].vpc_connector_egress_settings == "ALL_TRAFFIC"])
    error_message = "Traffic leaves another way than through the connector."
  }

  assert {
    condition     = jsondecode(google_cloudfunctions2_function.function["ingest"].service_config[0].environment_variables.DROPSIGHT_INBOXES)["acme-files-dropsight-prod-inbox"].ignore == ["*.bak", "drafts/**"]
    error_message = "ingest is told which names an inbox ignores."
  }

  assert {
    condition     = [for grant in google_pubsub_topic_iam_member.generate : "${grant.topic} ${grant.role} ${grant.member}"] == ["dropsight-prod-events roles/pubsub.publisher serviceAccount:${output.service_accounts.generate}"]
    error_message = "generate publishes events, and nobody else."
  }

  assert {
    condition     = alltrue([for name in ["api", "generate"] : google_cloudfunctions2_function.function[name].service_config[0].environment_variables.DROPSIGHT_EVENTS_TOPIC == "projects/acme-files/topics/dropsight-prod-events"])
    error_message = "What ends tasks is not told that events are sent."
  }

  assert {
    condition     = google_bigquery_table.events["events"].time_partitioning[0].type == "DAY" && google_bigquery_table.events["events"].clustering == tolist(["recipe"]) && contains([for column in jsondecode(google_bigquery_table.events["events"].schema) : column.name], "recipe")
    error_message = "The table is not partitioned by day and clustered by recipe."
  }

  assert {
    condition     = google_pubsub_subscription.bigquery["events"].bigquery_config[0].use_table_schema && google_pubsub_subscription.bigquery["events"].bigquery_config[0].drop_unknown_fields
    error_message = "A field that the table does not have would hold all events up."
  }

  assert {
    condition     = google_pubsub_subscription.bigquery["events"].expiration_policy[0].ttl == ""
    error_message = "The subscription of the table expires when nothing has ended for a month."
  }

  assert {
    condition     = [for grant in google_bigquery_table_iam_member.pubsub : "${grant.role} ${grant.member}"] == ["roles/bigquery.dataEditor serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"] && contains(values(google_project_service.api)[*].service, "bigquery.googleapis.com")
    error_message = "Pub/Sub may not write the table, or the API is off."
  }

  assert {
    condition     = [for grant in google_cloud_run_v2_service_iam_member.callback_receiver : "${grant.role} ${grant.project} ${grant.location} ${grant.name} ${grant.member}"] == ["roles/run.invoker acme-web europe-west4 minutes serviceAccount:${output.service_accounts.notify}"]
    error_message = "notify may not call the receiver that is named, or more than that."
  }

  assert {
    condition     = [for grant in google_project_iam_member.grant : grant.member if grant.role == "roles/workflows.invoker"] == ["serviceAccount:${output.service_accounts.notify}"]
    error_message = "notify may not call workflows back, or another may."
  }

  assert {
    condition     = google_secret_manager_secret_version.current["gemini_api_key"].secret_data_wo_version == 2 && google_secret_manager_secret_version.current["callback_secret"].secret_data_wo_version == 1
    error_message = "Rotating one secret touches the other, or does nothing."
  }
}

run "a_bucket_that_was_there_before" {
  variables {
    api = { invokers = ["group:team@example.com"] }
    inboxes = {
      calls = { bucket = "acme-recordings", prefixes = ["calls/"], daily_cap = 50, recipes = "firestore.indexes.json" }
      mail  = {}
    }
  }

  assert {
    condition     = [for grant in google_cloud_run_v2_service_iam_member.api_caller : "${grant.name} ${grant.member}"] == ["dropsight-prod-api group:team@example.com"]
    error_message = "A private API is for those that are named."
  }

  assert {
    condition     = google_eventarc_trigger.finalized["calls"].location == "eu" && google_eventarc_trigger.deleted["calls"].location == "eu" && google_eventarc_trigger.finalized["calls"].destination[0].cloud_run_service[0].region == "europe-west1"
    error_message = "The trigger of an adopted bucket is not where the bucket is."
  }

  assert {
    condition     = keys(google_storage_bucket.inbox) == ["mail"]
    error_message = "An adopted bucket would be made, or another one not."
  }

  assert {
    condition = jsondecode(google_cloudfunctions2_function.function["ingest"].service_config[0].environment_variables.DROPSIGHT_INBOXES) == {
      acme-recordings                = { prefixes = ["calls/"], daily_cap = 50, documents = false, ignore = [], recipes = "gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.recipes["calls"].name}" }
      acme-files-dropsight-prod-mail = { prefixes = [""], daily_cap = 10000, documents = false, ignore = [], recipes = null }
    }
    error_message = "The functions are not told what the inboxes take."
  }

  assert {
    condition     = startswith(google_storage_bucket_object.recipes["calls"].name, "recipes/")
    error_message = "generate may read recipes/ of the source bucket only."
  }
}

run "an_archive_that_is_not_built_and_alerts_that_reach_nobody" {
  variables {
    alerts         = {}
    source_archive = "../build/not-there.zip"
  }

  assert {
    condition     = google_storage_bucket_object.source.name == "source/not-built-yet.zip"
    error_message = "A plan before `make package` should go on."
  }

  expect_failures = [check.archive, check.alerts_reach_someone]
}

run "beside_another_environment" {
  variables {
    environment = "staging"
    bootstrap   = { create_service_agents = false, grant_service_agents = false, settle_seconds = 0, api_seconds = 0 }
  }

  override_data {
    target = data.google_cloud_run_v2_service.generate
    values = { urls = ["https://dropsight-staging-generate-123456789012.europe-west1.run.app"] }
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.grant : startswith(grant.member, "serviceAccount:dropsight-staging-")])
    error_message = "Destroying the second environment would take the agents' roles from the first."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["generate"].service_config[0].environment_variables.DROPSIGHT_ENVIRONMENT == "staging" && google_firestore_database.this.name == "dropsight-staging"
    error_message = "The environments are not told apart."
  }
}
