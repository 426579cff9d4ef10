# What is turned on later changes nothing else. An assertion on what is not known before apply fails, so each looks at
# the end of a value: Terraform knows how one begins, of which only a part is unknown.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google" {
  alias  = "budget"
  source = "./tests/mocks"
}

run "an_environment_by_default" {}

run "a_budget_turned_on_later" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", monthly_amount = 200 }
  }

  assert {
    condition     = data.google_project.this.number == "123456789012" && alltrue([for agent in values(local.service_agents) : startswith(agent, "service-123456789012@")])
    error_message = "The project's number or the agents are not known before apply."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.grant : endswith(grant.member, ".iam.gserviceaccount.com")])
    error_message = "The grants of Google's agents would be replaced."
  }

  assert {
    condition     = alltrue([for function in google_cloudfunctions2_function.function : alltrue([for value in values(function.service_config[0].environment_variables) : !endswith(value, "?")])])
    error_message = "The functions would be deployed again."
  }
}

run "a_key_of_the_customer_turned_on_later" {
  command = plan

  variables {
    kms_key = "projects/acme-keys/locations/europe-west1/keyRings/files/cryptoKeys/dropsight"
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.grant : endswith(grant.member, ".iam.gserviceaccount.com")]) && alltrue([for function in google_cloudfunctions2_function.function : alltrue([for value in values(function.service_config[0].environment_variables) : !endswith(value, "?")])])
    error_message = "The grants of Google's agents would be replaced, or the functions deployed again."
  }

  assert {
    condition     = length(google_firestore_database.this.cmek_config) == 0
    error_message = "The database would be replaced, with all that is in it."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secret : length(secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption) == 0])
    error_message = "The secrets would be replaced, with all that is in them."
  }

  expect_failures = [check.kms_key]
}
