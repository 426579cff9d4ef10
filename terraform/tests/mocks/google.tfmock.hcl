# What the configuration reads from the cloud rather than says itself.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_data "google_storage_project_service_account" {
  defaults = { email_address = "service-123456789012@gs-project-accounts.iam.gserviceaccount.com" }
}

mock_data "google_storage_bucket" {
  defaults = { name = "acme-recordings", location = "EU" }
}

mock_data "google_cloud_run_v2_service" {
  defaults = { urls = ["https://dropsight-prod-generate-123456789012.europe-west1.run.app"] }
}

mock_resource "google_secret_manager_secret" {
  defaults = { id = "projects/acme-files/secrets/mocked" }
}

mock_resource "google_secret_manager_secret_version" {
  defaults = { version = "1" }
}

mock_resource "google_monitoring_notification_channel" {
  defaults = { name = "projects/acme-files/notificationChannels/1" }
}
