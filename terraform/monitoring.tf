# What the functions log, as metrics; and alerts on them. The functions write one JSON object a line, whose `action` is
# the machine's word for what happened. Alerts are PromQL, for which a metric need not have been written yet: other
# conditions refuse a metric that is minutes old, and with it the first apply.

locals {
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.name], var.alerts.channels)

  # Metric name → the function that logs it and the entries it counts.
  counted = {
    tasks_created     = { from = ["ingest", "api", "sweep"], filter = "jsonPayload.action=\"task_created\"" }
    tasks_completed   = { from = ["generate"], filter = "jsonPayload.action=\"task_completed\"" }
    tasks_failed      = { from = ["generate", "api"], filter = "jsonPayload.action=\"task_failed\"" }
    tasks_blocked     = { from = ["generate"], filter = "jsonPayload.action=\"task_put_off\" AND jsonPayload.reason=\"blocked\"" }
    budget_refusals   = { from = ["generate", "api"], filter = "jsonPayload.action=\"budget_spent\"" }
    breakers_opened   = { from = ["generate"], filter = "jsonPayload.action=\"breaker_opened\"" }
    sweeps_finished   = { from = ["sweep"], filter = "jsonPayload.action=\"sweep_finished\"" }
    sweep_findings    = { from = ["sweep"], filter = "jsonPayload.action=(\"sweep_redrove\" OR \"sweep_ingested\" OR \"sweep_part_failed\")" }
    callbacks_refused = { from = ["notify"], filter = "jsonPayload.action=\"callback_attempted\" AND severity>=WARNING" }
    bugs              = { from = keys(local.functions), filter = "jsonPayload.stack_trace:* AND severity>=ERROR" }
  }

  # A metric's name as PromQL has it: logging.googleapis.com/user/dropsight-prod/tasks_failed.
  logged    = { for name in keys(local.counted) : name => "logging_googleapis_com:user_${replace(local.prefix, "-", "_")}_${name}{monitored_resource=\"cloud_run_revision\"}" }
  requests  = "run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=~\"${local.prefix}-(${join("|", keys(local.functions))})\"}"
  refusals  = replace(local.requests, "}", ",response_code_class=\"5xx\"}")
  mishaps   = replace(local.refusals, "}", ",service_name!=\"${local.prefix}-notify\"}")
  depth     = "cloudtasks_googleapis_com:queue_depth{monitored_resource=\"cloud_tasks_queue\",queue_id=~\"${local.prefix}-(dispatch|callbacks)\"}"
  delays    = "cloudtasks_googleapis_com:queue_task_attempt_delays_bucket{monitored_resource=\"cloud_tasks_queue\",queue_id=\"${google_cloud_tasks_queue.dispatch.name}\"}"
  instances = "run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\",service_name=~\"${local.prefix}-(${join("|", keys(local.functions))})\"}"

  alerts = {
    failed_ratio = {
      title    = "tasks fail"
      severity = "ERROR"
      hold     = "300s"
      # Five at least: one bad file among three is no alarm.
      query = "sum(increase(${local.logged.tasks_failed}[30m])) >= 5 and sum(increase(${local.logged.tasks_failed}[30m])) / (sum(increase(${local.logged.tasks_failed}[30m])) + (sum(increase(${local.logged.tasks_completed}[30m])) or vector(0))) > ${var.alerts.failed_ratio}"
      what  = "More than ${var.alerts.failed_ratio * 100} % of the tasks that ended in the last half hour failed. Look at `jsonPayload.action=\"task_failed\"` for their codes."
    }
    blocked = {
      title    = "tasks are held"
      severity = "CRITICAL"
      hold     = "60s"
      query    = "sum(increase(${local.logged.tasks_blocked}[15m])) > 0"
      what     = "Gemini or Cloud Storage refuses this environment: the API key is invalid, billing is off or a permission was lost. Tasks wait and go on by themselves once that is mended; `jsonPayload.reason=\"blocked\"` says which."
    }
    errors = {
      title    = "a function answers 5xx"
      severity = "ERROR"
      hold     = "300s"
      # Not notify: it answers 500 for a receiver that is down, so that the queue tries again.
      query = "sum by (service_name) (increase(${local.mishaps}[10m])) >= 5 and sum by (service_name) (increase(${local.mishaps}[10m])) / sum by (service_name) (increase(${local.requests}[10m])) > 0.05"
      what  = "More than 5 % of a function's answers are 5xx. Its log has the trace of a bug, `jsonPayload.stack_trace:* AND severity>=ERROR`, or the warning of an outage, `jsonPayload.action=(\"request_failed\" OR \"ingest_failed\" OR \"dispatch_failed\")`."
    }
    queue_depth = {
      title    = "a queue is deep"
      severity = "WARNING"
      hold     = "900s"
      query    = "max by (queue_id) (${local.depth}) > ${var.alerts.queue_depth}"
      what     = "More than ${var.alerts.queue_depth} dispatches wait. Work that waits for a quota counts too; if the queue is merely slow, raise `dispatch` and functions.generate.max_instances."
    }
    queue_delay = {
      title    = "dispatches start late"
      severity = "WARNING"
      hold     = "900s"
      query    = "histogram_quantile(0.95, sum by (le) (rate(${local.delays}[15m]))) > ${var.alerts.queue_delay_seconds * 1000}"
      what     = "One dispatch in twenty starts ${var.alerts.queue_delay_seconds} s after it was due, or later: the oldest work is at least so old."
    }
    budget_spent = {
      title    = "a budget is spent"
      severity = "WARNING"
      hold     = "60s"
      query    = "sum(increase(${local.logged.budget_refusals}[15m])) > 0"
      what     = "A budget of the day is spent: of the deployment, an inbox or a key. `jsonPayload.budget` says which. Requests are refused, and tasks wait or fail, as `spending.action` says, until the day turns (UTC) or the budget is raised; `spending` has the amounts."
    }
    breaker_opened = {
      title    = "a model fails again and again"
      severity = "ERROR"
      hold     = "60s"
      query    = "sum(increase(${local.logged.breakers_opened}[15m])) > 0"
      what     = "Calls of a model failed one after the other, and it is not asked for now. After a minute one call tries whether it works again, and closes the breaker by itself; each try that fails doubles the pause, up to ten minutes. `GET /v1/status` shows it."
    }
    sweep_findings = {
      title    = "sweep keeps finding lost work"
      severity = "WARNING"
      hold     = "60s"
      query    = "sum(increase(${local.logged.sweep_findings}[1h])) > 10"
      what     = "Sweep put back more than 10 tasks or objects in an hour, or could not do a part of its work. Each is on its way again; that there are so many means that events, dispatches or workers are being lost."
    }
    sweep_silent = {
      title    = "sweep does not run"
      severity = "ERROR"
      hold     = "3600s"
      query    = "(sum(increase(${local.logged.sweeps_finished}[1h])) or vector(0)) < 1"
      what     = "No sweep finished for an hour: nothing would find lost work. Look at the Cloud Scheduler job and the log of sweep."
    }
    spend = {
      title    = "unusually many tasks"
      severity = "WARNING"
      hold     = "60s"
      query    = "sum(increase(${local.logged.tasks_created}[1h])) > ${var.alerts.tasks_an_hour}"
      what     = "More than ${var.alerts.tasks_an_hour} tasks were made within an hour. If nobody meant that, a writer loops or a storm came in: an inbox's `daily_cap` bounds it, and `dropsight pause` stops it, for one inbox or all."
    }
    callbacks = {
      title    = "callbacks are not accepted"
      severity = "WARNING"
      hold     = "60s"
      query    = "sum(increase(${local.logged.callbacks_refused}[1h])) > 20"
      what     = "More than 20 attempts to deliver a callback failed in an hour. Each is tried for a day; `jsonPayload.action=\"callback_attempted\"` says why."
    }
    bugs = {
      title    = "unforeseen errors"
      severity = "ERROR"
      hold     = "60s"
      query    = "sum(increase(${local.logged.bugs}[15m])) > 3"
      what     = "The code met errors that it did not foresee; the work is tried again. `jsonPayload.stack_trace:* AND severity>=ERROR` has the traces."
    }
  }
}

resource "google_logging_metric" "counted" {
  for_each = local.counted

  project     = local.project_id
  name        = "${local.prefix}/${each.key}"
  description = "Dropsight ${var.environment}: ${replace(each.key, "_", " ")}"
  filter = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=(${join(" OR ", [for name in each.value.from : "\"${local.prefix}-${name}\""])})",
    each.value.filter,
  ])

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alerts.emails)

  project      = local.project_id
  display_name = "Dropsight ${var.environment}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  project               = local.project_id
  display_name          = "Dropsight ${var.environment}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.hold
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    content   = each.value.what
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [google_logging_metric.counted]
}

check "alerts_reach_someone" {
  assert {
    condition     = length(var.alerts.emails) + length(var.alerts.channels) > 0
    error_message = "Nobody hears the alerts: set alerts.emails or alerts.channels."
  }
}

locals {
  charts = [
    { title = "Tasks an hour", series = { created = "sum(increase(${local.logged.tasks_created}[1h]))", completed = "sum(increase(${local.logged.tasks_completed}[1h]))", failed = "sum(increase(${local.logged.tasks_failed}[1h]))" } },
    { title = "Held, and found by sweep", series = { held = "sum(increase(${local.logged.tasks_blocked}[1h]))", found = "sum(increase(${local.logged.sweep_findings}[1h]))" } },
    { title = "Dispatches waiting", series = { depth = "max by (queue_id) (${local.depth})" } },
    { title = "How late dispatches start (ms)", series = { median = "histogram_quantile(0.5, sum by (le) (rate(${local.delays}[15m])))", p95 = "histogram_quantile(0.95, sum by (le) (rate(${local.delays}[15m])))" } },
    { title = "Requests by function", series = { requests = "sum by (service_name) (rate(${local.requests}[5m]))", errors = "sum by (service_name) (rate(${local.refusals}[5m]))" } },
    { title = "Instances by function", series = { instances = "sum by (service_name) (${local.instances})" } },
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = local.project_id

  dashboard_json = jsonencode({
    displayName = "Dropsight ${var.environment}"
    mosaicLayout = {
      columns = 12
      tiles = [
        # The API leaves out positions that are zero, which every plan would add again.
        for place, chart in local.charts : merge({ for name, position in { xPos = (place % 2) * 6, yPos = floor(place / 2) * 4 } : name => position if position > 0 }, {
          width  = 6
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for name, query in chart.series : {
                  legendTemplate  = name
                  plotType        = "LINE"
                  timeSeriesQuery = { prometheusQuery = query }
                }
              ]
            }
          }
        })
      ]
    }
  })
}
