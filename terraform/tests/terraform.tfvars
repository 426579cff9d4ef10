# What all tests of this folder have in common.
project_id     = "acme-files"
region         = "europe-west1"
source_archive = "firestore.indexes.json"
bootstrap      = { create_service_agents = false, settle_seconds = 0, api_seconds = 0 }
alerts         = { emails = ["oncall@example.com"] }
# Terraform's tests want ephemeral variables to be given.
gemini_api_key  = "AIza-test"
callback_secret = "whsec_dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3Rz"
