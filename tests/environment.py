"""The environment in which any of the functions starts."""

from __future__ import annotations

from pathlib import Path

NOWHERE = "127.0.0.1:9"
"""A port at which nothing answers."""
NO_AUTHORITY = str(Path(__file__).with_name("no_authority.pem"))
"""A certificate that nobody has the key of, for clients that want at least one authority."""
CALLBACK_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def function_environment(**variables: str) -> dict[str, str]:
    """Return the settings of all five functions; `variables` are added, or replace what stands here."""
    return {
        "GOOGLE_CLOUD_PROJECT": "test",
        "GEMINI_API_KEY": "stand-in",
        "DROPSIGHT_PROJECT": "test",
        "DROPSIGHT_ENVIRONMENT": "test",
        "DROPSIGHT_INBOXES": '{"inbox": {}}',
        "DROPSIGHT_REQUESTS_BUCKET": "requests",
        "DROPSIGHT_RESULTS_BUCKET": "results",
        "DROPSIGHT_DISPATCH_QUEUE": "projects/test/locations/here/queues/dispatch",
        "DROPSIGHT_CALLBACK_QUEUE": "projects/test/locations/here/queues/callbacks",
        "DROPSIGHT_GENERATE_URL": f"http://{NOWHERE}",
        "DROPSIGHT_NOTIFY_URL": f"http://{NOWHERE}",
        "DROPSIGHT_INVOKER": "tasks@test.iam.gserviceaccount.com",
        "DROPSIGHT_CALLBACK_SECRET": CALLBACK_SECRET,
        "DROPSIGHT_INSTALLED_AT": "2020-01-01T00:00:00+00:00",
        **variables,
    }
