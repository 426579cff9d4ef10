# What is refused before anything is made. Each plan costs seconds, so a run has as much that is refused as Terraform tells
# of at once.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "variables_refuse" {
  command = plan

  variables {
    # Everyone is no invoker.
    api = { invokers = ["allUsers"] }
    # Without its place, a name could be that of another project's service.
    callback_receivers = { services = ["minutes"] }
    callback_secret    = "hunter2"
    # Without a slash, the bucket acme-invoices-2 is meant too.
    manifests = { orders = { writers = [], sources = ["gs://acme-invoices"] } }
    # Answers would be deleted under tasks that need them.
    tasks = { days = 8 }
  }

  expect_failures = [
    var.api,
    var.callback_receivers,
    var.callback_secret,
    var.manifests,
    var.tasks,
  ]
}

run "variables_refuse_too" {
  command = plan

  variables {
    # Browsers send no identity token, which a private API asks for.
    api = { cors_origins = ["https://app.example.com"] }
    # Whoever writes a request could have it call Dropsight's own functions.
    callback_receivers = { services = ["projects/acme-files/locations/europe-west1/services/dropsight-prod-sweep"] }
    # A folder that may hand over nothing.
    tasks = { manifests_daily_cap = 0 }
  }

  expect_failures = [
    var.api,
    var.callback_receivers,
    var.tasks,
  ]
}

run "buckets_and_queues_refuse" {
  command = plan

  variables {
    # More than generate has room for.
    dispatch = { concurrent = 5000 }
    # What is written into the one or the other would become a task again and again.
    inboxes = {
      answers = { bucket = "acme-files-dropsight-prod-results" }
      asked   = { bucket = "acme-files-dropsight-prod-requests" }
    }
  }

  expect_failures = [
    google_cloud_tasks_queue.dispatch,
    google_storage_bucket.requests,
    google_storage_bucket.results,
  ]
}

run "functions_refuse" {
  command = plan

  variables {
    functions = {
      # Cloud Tasks does not wait so long.
      generate = { timeout_seconds = 3600 }
      # An idle worker is killed when it wakes.
      ingest = { timeout_seconds = 120 }
      # Several requests at once on half a CPU.
      notify = { cpu = "0.5" }
    }
  }

  expect_failures = [
    google_cloudfunctions2_function.function["generate"],
    google_cloudfunctions2_function.function["ingest"],
    google_cloudfunctions2_function.function["notify"],
  ]
}
