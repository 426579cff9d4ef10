# The dispatch queue is the rate governor: nothing is uploaded and no model is asked but by a dispatch. A queue's name
# cannot be used again for a week after it was deleted.

locals {
  queue_paths = {
    for name, queue in { dispatch = google_cloud_tasks_queue.dispatch, callbacks = google_cloud_tasks_queue.callbacks } :
    name => "projects/${queue.project}/locations/${queue.location}/queues/${queue.name}"
  }
}

resource "google_cloud_tasks_queue" "dispatch" {
  project  = local.project_id
  location = var.region
  name     = "${local.prefix}-dispatch"

  rate_limits {
    max_dispatches_per_second = var.dispatch.per_second
    max_concurrent_dispatches = var.dispatch.concurrent
  }

  retry_config {
    max_attempts  = coalesce(var.dispatch.max_attempts, local.sizes.queues.dispatch.max_attempts)
    min_backoff   = "${coalesce(var.dispatch.min_backoff_seconds, local.sizes.queues.dispatch.min_backoff_seconds)}s"
    max_backoff   = "${coalesce(var.dispatch.max_backoff_seconds, local.sizes.queues.dispatch.max_backoff_seconds)}s"
    max_doublings = local.sizes.queues.dispatch.max_doublings
  }

  lifecycle {
    precondition {
      condition     = var.dispatch.concurrent <= local.functions.generate.max_instances * local.functions.generate.concurrency
      error_message = "generate has no room for ${var.dispatch.concurrent} dispatches at once: Cloud Run would refuse some with 429, which slows the whole queue. Raise functions.generate.max_instances or lower dispatch.concurrent."
    }
  }
}

# A receiver that is down must not hold up the work, so callbacks wait in a queue of their own: a day, however many
# attempts that takes.
resource "google_cloud_tasks_queue" "callbacks" {
  project  = local.project_id
  location = var.region
  name     = "${local.prefix}-callbacks"

  rate_limits {
    max_dispatches_per_second = local.sizes.queues.callbacks.per_second
    max_concurrent_dispatches = local.sizes.queues.callbacks.concurrent
  }

  retry_config {
    max_attempts       = local.sizes.queues.callbacks.max_attempts
    max_retry_duration = "${local.sizes.queues.callbacks.max_retry_seconds}s"
    min_backoff        = "${local.sizes.queues.callbacks.min_backoff_seconds}s"
    max_backoff        = "${local.sizes.queues.callbacks.max_backoff_seconds}s"
    max_doublings      = local.sizes.queues.callbacks.max_doublings
  }
}
