resource "google_cloud_scheduler_job" "sweep" {
  project          = local.project_id
  region           = var.region
  name             = "${local.prefix}-sweep"
  description      = "Finds what was lost: expired leases, lost dispatches, lost events, leftover files"
  schedule         = var.tasks.sweep_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "1800s"

  retry_config {
    retry_count          = 2
    min_backoff_duration = "30s"
  }

  http_target {
    uri         = local.function_urls.sweep
    http_method = "POST"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = local.emails.scheduler
      audience              = local.function_urls.sweep
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}
