# The path of a task: buckets, events, queues, functions, the schedule.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "the_path_by_default" {
  assert {
    condition     = alltrue([for bucket in concat(values(google_storage_bucket.inbox), [google_storage_bucket.requests, google_storage_bucket.results, google_storage_bucket.source]) : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access])
    error_message = "A bucket could be made public, or object by object."
  }

  assert {
    condition     = alltrue([for bucket in concat(values(google_storage_bucket.inbox), [google_storage_bucket.requests, google_storage_bucket.results, google_storage_bucket.source]) : bucket.force_destroy == false])
    error_message = "A bucket with files in it would be destroyed."
  }

  assert {
    condition     = length(distinct(concat(values(output.inboxes), [output.requests_bucket, output.results_bucket, google_storage_bucket.source.name]))) == length(output.inboxes) + 3
    error_message = "Inboxes, requests, results and source must be buckets of their own."
  }

  assert {
    condition     = google_storage_bucket.results.versioning[0].enabled
    error_message = "A result that was overwritten could not be had back."
  }

  assert {
    condition     = alltrue(flatten([for rule in google_storage_bucket.results.lifecycle_rule : [for condition in rule.condition : condition.days_since_noncurrent_time != null || try(contains(condition.matches_prefix, "tasks/"), false)] if one(rule.action).type == "Delete"]))
    error_message = "Published results would be deleted."
  }

  assert {
    condition     = strcontains(google_storage_bucket_object.source.name, substr(filesha256("firestore.indexes.json"), 0, 16))
    error_message = "The archive's name does not tell its content: changed code would not be deployed."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.build_config[0].source[0].storage_source[0].object == google_storage_bucket_object.source.name])
    error_message = "A function is not built from the archive."
  }

  assert {
    condition     = alltrue([for name, function in google_cloudfunctions2_function.function : function.build_config[0].entry_point == name && function.build_config[0].environment_variables.GOOGLE_FUNCTION_SOURCE == "functions/${name}/main.py" && function.service_config[0].environment_variables.PYTHONPATH == "/workspace"])
    error_message = "A function would not be found in the archive, or not find shared/."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : endswith(function.build_config[0].service_account, "/${output.service_accounts.build}")])
    error_message = "A function is built as the project's default account, which has no roles in new projects."
  }

  # Queue and scheduler wait 1,800 s, events and HTTP 3,600 s. Below 960 s, gunicorn kills workers that were frozen.
  assert {
    condition = alltrue([for name, limit in { ingest = 3600, generate = 1800, api = 3600, notify = 1800, sweep = 1800 } :
    google_cloudfunctions2_function.function[name].service_config[0].timeout_seconds >= 960 && google_cloudfunctions2_function.function[name].service_config[0].timeout_seconds <= limit])
    error_message = "A function's timeout is shorter than an instance may idle, or longer than its caller waits."
  }

  assert {
    condition     = alltrue([for name in ["generate", "sweep"] : tonumber(google_cloudfunctions2_function.function[name].service_config[0].environment_variables.DROPSIGHT_TIME_LIMIT_SECONDS) <= google_cloudfunctions2_function.function[name].service_config[0].timeout_seconds - 90])
    error_message = "A function is ended by its timeout before it hands over by itself."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : function.service_config[0].max_instance_count >= 1 && function.service_config[0].max_instance_count <= 100 && function.service_config[0].max_instance_request_concurrency >= 1 && function.service_config[0].min_instance_count == 0])
    error_message = "A function's instances are unbounded, or paid for while idle."
  }

  assert {
    condition     = google_cloud_tasks_queue.dispatch.rate_limits[0].max_concurrent_dispatches <= google_cloudfunctions2_function.function["generate"].service_config[0].max_instance_count * google_cloudfunctions2_function.function["generate"].service_config[0].max_instance_request_concurrency
    error_message = "The queue dispatches more at once than generate has room for."
  }

  assert {
    condition     = google_cloud_tasks_queue.dispatch.rate_limits[0].max_dispatches_per_second > 0 && google_cloud_tasks_queue.callbacks.rate_limits[0].max_dispatches_per_second > 0
    error_message = "A queue has no rate: uploads and model calls would have no governor."
  }

  assert {
    condition     = google_cloud_tasks_queue.dispatch.retry_config[0].max_attempts >= 10 && google_cloud_tasks_queue.dispatch.retry_config[0].max_backoff == "600s" && google_cloud_tasks_queue.dispatch.retry_config[0].min_backoff == "5s"
    error_message = "A failed dispatch is not tried again, or without patience."
  }

  assert {
    condition     = google_cloud_tasks_queue.callbacks.retry_config[0].max_retry_duration == "86400s" && google_cloud_tasks_queue.callbacks.retry_config[0].max_attempts > 1
    error_message = "A callback is not tried for a day."
  }

  assert {
    condition     = toset([for name, trigger in google_eventarc_trigger.finalized : one([for each in trigger.matching_criteria : each.value if each.attribute == "bucket"])]) == toset(concat(values(output.inboxes), [output.requests_bucket]))
    error_message = "Not every inbox, or not the requests bucket, calls ingest; or another bucket does."
  }

  assert {
    condition     = alltrue([for trigger in google_eventarc_trigger.finalized : contains(trigger.matching_criteria[*].value, "google.cloud.storage.object.v1.finalized") && trigger.destination[0].cloud_run_service[0].service == "dropsight-prod-ingest" && trigger.service_account == output.service_accounts.trigger])
    error_message = "A trigger does not call ingest for finalized objects as its own account."
  }

  assert {
    condition     = toset([for trigger in google_eventarc_trigger.deleted : one([for each in trigger.matching_criteria : each.value if each.attribute == "bucket"])]) == toset(values(output.inboxes)) && alltrue([for trigger in google_eventarc_trigger.deleted : contains(trigger.matching_criteria[*].value, "google.cloud.storage.object.v1.deleted") && trigger.destination[0].cloud_run_service[0].service == "dropsight-prod-ingest" && trigger.service_account == output.service_accounts.trigger])
    error_message = "A deletion in an inbox does not call ingest, or one in another bucket does."
  }

  assert {
    condition     = alltrue([for trigger in concat(values(google_eventarc_trigger.finalized), values(google_eventarc_trigger.deleted)) : trigger.location == "europe-west1"])
    error_message = "A trigger is not where its bucket is."
  }

  assert {
    condition     = google_cloud_scheduler_job.sweep.attempt_deadline == "1800s" && google_cloud_scheduler_job.sweep.retry_config[0].retry_count >= 1
    error_message = "The scheduler does not wait for sweep (180 s is the default), or does not try it again."
  }

  assert {
    condition     = google_cloud_scheduler_job.sweep.http_target[0].uri == "https://dropsight-prod-sweep-123456789012.europe-west1.run.app" && google_cloud_scheduler_job.sweep.http_target[0].oidc_token[0].audience == google_cloud_scheduler_job.sweep.http_target[0].uri && google_cloud_scheduler_job.sweep.http_target[0].oidc_token[0].service_account_email == output.service_accounts.scheduler
    error_message = "The scheduler would be turned away by sweep."
  }

  assert {
    condition     = google_cloudfunctions2_function.function["generate"].service_config[0].environment_variables.DROPSIGHT_GENERATE_URL == "https://dropsight-prod-generate-123456789012.europe-west1.run.app" && google_cloudfunctions2_function.function["ingest"].service_config[0].environment_variables.DROPSIGHT_INVOKER == output.service_accounts.queues
    error_message = "Dispatches would not reach generate."
  }
}
