# What is refused before anything is made.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "everyone_is_no_invoker" {
  command = plan

  variables {
    api = { invokers = ["allUsers"] }
  }

  expect_failures = [var.api]
}

run "results_are_no_inbox" {
  command = plan

  variables {
    inboxes = { loop = { bucket = "acme-files-dropsight-prod-results" } }
  }

  expect_failures = [google_storage_bucket.results]
}

run "requests_are_no_inbox" {
  command = plan

  variables {
    inboxes = { loop = { bucket = "acme-files-dropsight-prod-requests" } }
  }

  expect_failures = [google_storage_bucket.requests]
}

run "a_queue_that_floods_generate" {
  command = plan

  variables {
    dispatch = { concurrent = 5000 }
  }

  expect_failures = [google_cloud_tasks_queue.dispatch]
}

run "a_timeout_that_nobody_waits_for" {
  command = plan

  variables {
    functions = { generate = { timeout_seconds = 3600 } }
  }

  expect_failures = [google_cloudfunctions2_function.function]
}

run "a_timeout_that_kills_idle_workers" {
  command = plan

  variables {
    functions = { ingest = { timeout_seconds = 120 } }
  }

  expect_failures = [google_cloudfunctions2_function.function]
}

run "several_requests_on_half_a_cpu" {
  command = plan

  variables {
    functions = { notify = { cpu = "0.5" } }
  }

  expect_failures = [google_cloudfunctions2_function.function]
}

run "a_callback_secret_of_the_wrong_form" {
  command = plan

  variables {
    callback_secret = "hunter2"
  }

  expect_failures = [var.callback_secret]
}

run "answers_that_are_deleted_under_their_task" {
  command = plan

  variables {
    tasks = { days = 8 }
  }

  expect_failures = [var.tasks]
}

run "a_folder_of_manifests_that_may_hand_over_nothing" {
  command = plan

  variables {
    tasks = { manifests_daily_cap = 0 }
  }

  expect_failures = [var.tasks]
}

run "a_source_that_means_other_buckets_too" {
  command = plan

  variables {
    manifests = { orders = { writers = [], sources = ["gs://acme-invoices"] } }
  }

  expect_failures = [var.manifests]
}

run "browsers_cannot_call_a_private_api" {
  command = plan

  variables {
    api = { cors_origins = ["https://app.example.com"] }
  }

  expect_failures = [var.api]
}

run "a_receiver_of_callbacks_without_its_place" {
  command = plan

  variables {
    callback_receivers = { services = ["minutes"] }
  }

  expect_failures = [var.callback_receivers]
}

run "dropsights_own_functions_take_no_callbacks" {
  command = plan

  variables {
    callback_receivers = { services = ["projects/acme-files/locations/europe-west1/services/dropsight-prod-sweep"] }
  }

  expect_failures = [var.callback_receivers]
}
