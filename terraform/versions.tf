terraform {
  # 1.11 brought write-only arguments, which keep secrets out of the state.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8"
    }
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = merge(var.labels, { dropsight = var.environment })
}

# The budget API counts its calls against a project that the caller names; the other APIs find it themselves.
provider "google" {
  alias                 = "budget"
  project               = var.project_id
  billing_project       = var.project_id
  user_project_override = true
}
