# An environment that is made with a key of the customer's. A database keeps the key that it was made with.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "with_a_key_of_the_customer" {
  variables {
    kms_key = "projects/acme-keys/locations/europe-west1/keyRings/files/cryptoKeys/dropsight"
  }

  assert {
    condition     = alltrue([for bucket in concat(values(google_storage_bucket.inbox), [google_storage_bucket.requests, google_storage_bucket.results, google_storage_bucket.source]) : bucket.encryption[0].default_kms_key_name == var.kms_key]) && google_firestore_database.this.cmek_config[0].kms_key_name == var.kms_key && alltrue([for secret in google_secret_manager_secret.secret : secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == var.kms_key])
    error_message = "Something is kept under another key."
  }

  assert {
    condition     = alltrue([for grant in google_kms_crypto_key_iam_member.agent : strcontains(grant.member, "@gs-project-accounts.") || strcontains(grant.member, "@gcp-sa-")]) && length(google_kms_crypto_key_iam_member.agent) == 3
    error_message = "The key is for the service agents of storage, database and secrets."
  }
}
