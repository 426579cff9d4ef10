# Values are written, never stored: a write-only argument stands neither in the state nor in a plan. It is written when
# its version number rises, so later applies need no value. Functions name the version, so a rotation redeploys them.

locals {
  secret_values = {
    # Empty is refused by Secret Manager, which is how a first apply without a key ends.
    gemini_api_key = var.gemini_api_key == null ? "" : var.gemini_api_key
    # Two random UUIDs have more than the 192 bits that Standard Webhooks asks for.
    callback_secret = var.callback_secret == null ? "whsec_${base64sha256("${uuid()}${uuid()}")}" : var.callback_secret
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = { gemini_api_key = "gemini-api-key", callback_secret = "callback-secret" }

  project             = local.project_id
  secret_id           = "${local.prefix}-${each.value}"
  deletion_protection = var.deletion_protection

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = local.customer_keys
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }

  # Like the database, a secret keeps its key for life.
  lifecycle {
    ignore_changes = [replication]
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_secret_manager_secret_version" "current" {
  for_each = google_secret_manager_secret.secret

  secret                 = each.value.id
  secret_data_wo         = local.secret_values[each.key]
  secret_data_wo_version = var.secret_versions[each.key]
  deletion_policy        = "DISABLE"

  # Running instances read the old version until their successors serve.
  lifecycle {
    create_before_destroy = true
  }
}
