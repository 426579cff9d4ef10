variable "project_id" {
  description = "The Google Cloud project, which must exist and have billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lowercase letters, digits and dashes; the project's number or display name will not do."
  }
}

variable "region" {
  description = "Where everything runs and lies, such as europe-west1. Gemini itself is called over its global endpoint."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Name a region such as europe-west1, not a zone or a multi-region."
  }
}

variable "environment" {
  description = "Part of every name, so that several environments share a project; also marks the environment's files at the Gemini Files API."
  type        = string
  default     = "prod"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,9}$", var.environment))
    error_message = "An environment is named by 1 to 10 lowercase letters and digits, beginning with a letter."
  }
}

variable "labels" {
  description = "Labels put on everything that takes them."
  type        = map(string)
  default     = {}
}

variable "inboxes" {
  description = "The buckets whose objects become tasks, by a short name. `bucket`: adopt this existing bucket of the project instead of making one. `prefixes`: take only objects under one of them. `daily_cap`: tasks a day; more wait for the next. `daily_budget`: US dollars a day, instead of `spending.inbox_daily`. `recipes`: a local file with this inbox's recipes. `documents`: whether `generate` may add the documents that it cuts out of a bundle, for tasks of their own (`document_recipe`). `ignore`: globs of names that are left alone, besides what sync tools leave behind; one without a slash is for the last part of a name. `writers`: members who may drop files. `delete_after_days`: how long files stay (not for an adopted bucket)."
  type = map(object({
    bucket            = optional(string)
    prefixes          = optional(list(string), [""])
    daily_cap         = optional(number, 10000)
    daily_budget      = optional(number)
    recipes           = optional(string)
    documents         = optional(bool, false)
    ignore            = optional(list(string), [])
    writers           = optional(list(string), [])
    delete_after_days = optional(number)
  }))
  default = { inbox = {} }

  validation {
    condition     = length(var.inboxes) > 0
    error_message = "Without an inbox there is nothing to do: name at least one."
  }
  validation {
    condition     = alltrue([for name in keys(var.inboxes) : can(regex("^[a-z][a-z0-9-]{0,8}[a-z0-9]?$", name)) && !contains(["requests", "results", "source"], name)])
    error_message = "An inbox is named by 1 to 10 lowercase letters, digits and dashes, and not requests, results or source: Dropsight's own buckets are named so."
  }
  validation {
    condition     = alltrue([for inbox in values(var.inboxes) : length(inbox.prefixes) > 0 && inbox.daily_cap >= 1])
    error_message = "An inbox needs at least one prefix (\"\" takes every object) and a daily cap of 1 or more."
  }
  validation {
    condition     = alltrue([for inbox in values(var.inboxes) : inbox.recipes == null ? true : fileexists(inbox.recipes)])
    error_message = "An inbox's recipes must be a file that is there; the path is relative to where terraform runs."
  }
}

variable "manifests" {
  description = "Who hands work over by writing manifests/FOLDER/….json into the requests bucket, by the folder. `writers`: members, such as serviceAccount:…; `sources`: prefixes, gs://bucket/…, of the objects that the folder's manifests may name, which `generate` is granted to read."
  type = map(object({
    writers = list(string)
    sources = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for folder in keys(var.manifests) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", folder))])
    error_message = "A folder is one part of a path: letters, digits, dots, dashes and underscores."
  }
  validation {
    condition     = alltrue(flatten([for each in values(var.manifests) : [for source in each.sources : can(regex("^gs://[a-z0-9][a-z0-9._-]+/", source))]]))
    error_message = "A source is a prefix such as gs://bucket/ or gs://bucket/folder/: without the slash, gs://a would mean gs://a-2 too."
  }
}

variable "api" {
  description = "Who reaches the HTTP API. `public`: anyone on the internet gets as far as the API's own keys; otherwise `invokers` only, who send an ID token in X-Serverless-Authorization and the key in Authorization. `cors_origins`: web pages that may call it. `sync_seconds`: how long `sync: true` waits. `key_sources`: prefixes, gs://bucket/…, outside the inboxes that API keys may name as sources, which `generate` is granted to read."
  type = object({
    public       = optional(bool, false)
    invokers     = optional(list(string), [])
    cors_origins = optional(list(string), [])
    sync_seconds = optional(number, 900)
    key_sources  = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = length(setintersection(var.api.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Name accounts as invokers; to open the API to everyone, say so with public = true."
  }
  validation {
    condition     = alltrue([for source in var.api.key_sources : can(regex("^gs://[a-z0-9][a-z0-9._-]+/", source))])
    error_message = "A source is a prefix such as gs://bucket/ or gs://bucket/folder/: without the slash, gs://a would mean gs://a-2 too."
  }
  validation {
    condition     = var.api.public || length(var.api.cors_origins) == 0
    error_message = "A browser asks for leave (OPTIONS) without a token, which a private API's front door refuses: cors_origins needs public = true."
  }
}

variable "gemini_api_key" {
  description = "The Gemini API key. Needed on the first apply and when `secret_versions.gemini_api_key` rises; never stored in the state or a plan."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "callback_secret" {
  description = "The secret that signs callbacks, whsec_… as Standard Webhooks has it. Left out, one is made; the receivers' operator reads it from Secret Manager."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.callback_secret == null || can(regex("^whsec_[A-Za-z0-9+/]{32,88}={0,2}$", var.callback_secret))
    error_message = "A callback secret is whsec_ and 24 to 64 random bytes in base64."
  }
}

variable "callback_receivers" {
  description = "Google's own end points that take callbacks with `callback_auth: google`, which carry a token of `notify`. `services`: Cloud Run services (and functions, by their service), projects/P/locations/L/services/S, on which it is granted `roles/run.invoker`; the deployer must administer them. `workflows`: grants `roles/workflows.invoker` on this project, for the callbacks of its workflows."
  type = object({
    services  = optional(list(string), [])
    workflows = optional(bool, false)
  })
  default = {}

  validation {
    condition     = alltrue([for service in var.callback_receivers.services : can(regex("^projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/services/[a-z0-9-]+$", service))])
    error_message = "Name a receiver in full: projects/P/locations/L/services/S."
  }
  validation {
    condition     = alltrue([for service in var.callback_receivers.services : !can(regex("^projects/${var.project_id}/locations/[^/]+/services/dropsight-${var.environment}-", service))])
    error_message = "Dropsight's own functions take no callbacks: whoever may submit a request could have notify call them."
  }
}

variable "secret_versions" {
  description = "Raise one to write that secret anew: `gemini_api_key` from the variable of that name, `callback_secret` likewise or made."
  type = object({
    gemini_api_key  = optional(number, 1)
    callback_secret = optional(number, 1)
  })
  default = {}
}

variable "dispatch" {
  description = "The rate governor of uploads and model calls: how many dispatches of tasks start a second, how many run at once, and how a failed one is tried again (what is left out keeps the value in sizes.json)."
  type = object({
    per_second          = optional(number, 5)
    concurrent          = optional(number, 16)
    max_attempts        = optional(number)
    min_backoff_seconds = optional(number)
    max_backoff_seconds = optional(number)
  })
  default = {}

  validation {
    condition     = var.dispatch.per_second > 0 && var.dispatch.per_second <= 500 && var.dispatch.concurrent >= 1 && var.dispatch.concurrent <= 5000
    error_message = "Cloud Tasks dispatches at most 500 a second and 5,000 at once from one queue."
  }
}

variable "tasks" {
  description = "How tasks are kept and tried. `days`: how long documents and raw answers are kept; two more than an unfinished task may last, or longer. `max_attempts`: transient failures before a task fails. `max_age_hours`: after which an unfinished task fails. `flex_patience_hours`: how long a task of the flex tier is refused before it is asked at the standard price. `fetch_seconds`: how long a file on the web may take to be fetched. `most_parts`: into how many parts, each a billed call, a file that is too long for one call is split at most. `transfers`: how many tasks of one instance of `generate` read and upload files at once, while any number waits for the model. `lease_seconds`: after which another dispatch takes over from a crashed one. `settle_seconds`: how long an overwritten object is left to settle. `event_horizon_hours`: how far back sweep looks for objects whose event was lost. `grace_seconds`: how late a thing may be before sweep counts it as lost. `manifests_daily_cap`: tasks a day from one folder of manifests; more wait for the next. `sweep_schedule`: when sweep runs (cron, UTC)."
  type = object({
    days                = optional(number, 30)
    max_attempts        = optional(number, 8)
    max_age_hours       = optional(number, 168)
    flex_patience_hours = optional(number, 6)
    fetch_seconds       = optional(number, 900)
    most_parts          = optional(number, 20)
    transfers           = optional(number, 8)
    lease_seconds       = optional(number, 60)
    settle_seconds      = optional(number, 10)
    event_horizon_hours = optional(number, 48)
    grace_seconds       = optional(number, 120)
    manifests_daily_cap = optional(number, 10000)
    sweep_schedule      = optional(string, "*/10 * * * *")
  })
  default = {}

  validation {
    condition     = var.tasks.days >= 1 && var.tasks.days <= 3650
    error_message = "Tasks are kept for 1 to 3,650 days."
  }
  validation {
    condition     = var.tasks.days * 24 >= var.tasks.max_age_hours + 48
    error_message = "Raw answers would be deleted under tasks that still need them: keep them (days) for two days longer than a task may last (max_age_hours)."
  }
  validation {
    condition     = var.tasks.transfers >= 1 && var.tasks.transfers <= 32
    error_message = "An instance transfers files of 1 to 32 tasks at once; each may take some 30 MiB."
  }
  validation {
    condition     = var.tasks.manifests_daily_cap >= 1
    error_message = "A folder of manifests needs a daily cap of 1 or more."
  }
}

variable "functions" {
  description = "Changes to a function's size, by its name (ingest, generate, api, notify, sweep): what is left out keeps the value in sizes.json."
  type = map(object({
    memory          = optional(string)
    cpu             = optional(string)
    concurrency     = optional(number)
    min_instances   = optional(number)
    max_instances   = optional(number)
    timeout_seconds = optional(number)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.functions), ["ingest", "generate", "api", "notify", "sweep"])) == 0
    error_message = "The functions are ingest, generate, api, notify and sweep."
  }
}

variable "runtime" {
  description = "The functions' Python runtime, 3.11 or later."
  type        = string
  default     = "python311"

  validation {
    condition     = can(regex("^python3(1[1-9]|[2-9][0-9])$", var.runtime))
    error_message = "Dropsight needs Python 3.11 or later, such as python311."
  }
}

variable "source_archive" {
  description = "The functions' source, made by `make package`; relative to this folder."
  type        = string
  default     = "../build/dropsight.zip"
}

variable "firestore" {
  description = "`location`: of the database, the region if left out; cannot be changed later. `point_in_time_recovery`: read the last 7 days back. `daily_backup_days`, `weekly_backup_weeks`: how long backups are kept (at most 98 days, 14 weeks); left out, none are made. `vector_dimensions`: makes the index for nearest search among the vectors of tasks; 768 for those of the recipe `embed`."
  type = object({
    location               = optional(string)
    point_in_time_recovery = optional(bool, true)
    daily_backup_days      = optional(number)
    weekly_backup_weeks    = optional(number)
    vector_dimensions      = optional(number)
  })
  default = {}
}

variable "kms_key" {
  description = "A Cloud KMS key, projects/…/cryptoKeys/…, in the same location, for buckets, database and secrets, on which Terraform grants use to their service agents. Left out, Google's keys encrypt."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "Name the key in full: projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }
}

variable "vpc" {
  description = "Sends the functions' outbound traffic through a Serverless VPC Access connector (its full or short name): all of it, or with `all_traffic = false` only what goes to private addresses."
  type = object({
    connector   = string
    all_traffic = optional(bool, true)
  })
  default = null
}

variable "alerts" {
  description = "Who hears alerts, by `emails` and `channels` (ids of notification channels that exist), and when. `failed_ratio`: failed tasks of all that ended in 30 minutes. `queue_depth`, `queue_delay_seconds`: dispatches waiting, and how late they start. `tasks_an_hour`: new tasks, the mark of a storm or loop, and of what is spent."
  type = object({
    emails              = optional(list(string), [])
    channels            = optional(list(string), [])
    failed_ratio        = optional(number, 0.2)
    queue_depth         = optional(number, 5000)
    queue_delay_seconds = optional(number, 1800)
    tasks_an_hour       = optional(number, 1000)
  })
  default = {}
}

variable "budget" {
  description = "A monthly budget for the project, told at 50, 90 and 100 % and when the forecast passes it. The deployer needs billing.budgets.create on the billing account."
  type = object({
    billing_account = string
    monthly_amount  = number
    currency        = optional(string, "USD")
  })
  default = null
}

variable "spending" {
  description = "Budgets in US dollars, by Gemini's list prices in the catalogue, that stop calls before they are made. `daily`: of the whole deployment a day (UTC). `inbox_daily`: of each inbox without a `daily_budget` of its own. `key_daily`: of each API key without one. `task`: the most that one task may cost. `action`: whether tasks over a budget `wait` for the next day or `fail`."
  type = object({
    daily       = optional(number, 200)
    inbox_daily = optional(number, 200)
    key_daily   = optional(number, 200)
    task        = optional(number, 10)
    action      = optional(string, "wait")
  })
  default = {}

  validation {
    condition     = alltrue([for amount in [var.spending.daily, var.spending.inbox_daily, var.spending.key_daily, var.spending.task] : amount >= 0])
    error_message = "A budget is 0 US dollars or more."
  }
  validation {
    condition     = contains(["wait", "fail"], var.spending.action)
    error_message = "Over a budget, tasks \"wait\" or \"fail\"."
  }
}

variable "traces" {
  description = "Traces of each task in Cloud Trace, by OpenTelemetry, from the event over the queue to the outcome. `sampled`: the share of tasks that are traced, from 0 to 1. Cloud Trace is billed by spans, of which a task has about ten."
  type = object({
    enabled = optional(bool, false)
    sampled = optional(number, 1)
  })
  default = {}

  validation {
    condition     = var.traces.sampled >= 0 && var.traces.sampled <= 1
    error_message = "The share of tasks that are traced is between 0 and 1."
  }
}

variable "events" {
  description = "Tells other services of each ended task. `topic`: a Pub/Sub topic to which a CloudEvent of each goes. `bigquery`: also a table of them, for questions in SQL, which Google's keys encrypt even with `kms_key`."
  type = object({
    topic    = optional(bool, false)
    bigquery = optional(bool, false)
  })
  default = {}
}

variable "deletion_protection" {
  description = "Refuses to destroy the database, the secrets, and buckets that hold objects. Turn it off, apply, then destroy."
  type        = bool
  default     = true
}

variable "bootstrap" {
  description = "For the first apply. `create_service_agents`: make Google's service agents with gcloud, which the google provider cannot. `grant_service_agents`: grant them what they need; false in all but one of a project's environments, so that destroying one takes nothing from the others. `settle_seconds`: how long to wait for new grants to spread before functions are built; 0 does not wait. `api_seconds`: the same after an API is turned on."
  type = object({
    create_service_agents = optional(bool, true)
    grant_service_agents  = optional(bool, true)
    settle_seconds        = optional(number, 90)
    api_seconds           = optional(number, 60)
  })
  default = {}
}
