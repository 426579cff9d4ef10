from __future__ import annotations

import pytest

from shared.cloud.outbound import refuse_callback, target_of, token_for
from shared.domain.errors import FieldRefused
from shared.domain.request.google_receivers import AccessToken, IdToken

CALLBACK = "/v1/projects/12345/locations/europe-west1/workflows/minutes/executions/0d5c-8e/callbacks/91ab_e2"
WORKFLOWS = f"https://workflowexecutions.googleapis.com{CALLBACK}"


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://minutes-abc123-ew.a.run.app/ended?x=1", "https://minutes-abc123-ew.a.run.app"),
        ("https://minutes-123456.europe-west1.run.app", "https://minutes-123456.europe-west1.run.app"),
        ("https://MINUTES-abc-ew.A.RUN.APP:443/", "https://minutes-abc-ew.a.run.app"),
        ("https://tag---minutes-abc-ew.a.run.app/", "https://tag---minutes-abc-ew.a.run.app"),
        (
            "https://europe-west1-shop.cloudfunctions.net/ended/x?y",
            "https://europe-west1-shop.cloudfunctions.net/ended",
        ),
    ],
)
def test_services_and_functions_get_a_token_for_themselves(url: str, audience: str) -> None:
    assert token_for(target_of(url)) == IdToken(audience)


@pytest.mark.parametrize("url", [WORKFLOWS, f"{WORKFLOWS}?x=1"])
def test_a_callback_of_workflows_gets_an_access_token(url: str) -> None:
    assert token_for(target_of(url)) == AccessToken()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://run.app/",
        "https://run.app.example.com/",
        "https://evilrun.app/",
        "https://a.run.app.evil.com/",
        "https://a.run.app:8443/",
        "https://cloudfunctions.net/x",
        "https://region-project.cloudfunctions.net/",
        "https://region-project.cloudfunctions.net.evil.com/x",
        "https://a.b.cloudfunctions.net/x",
        # An access token would let the caller have Google's APIs asked in the account's name.
        "https://firestore.googleapis.com/v1/projects/p/databases/d/documents:commit",
        "https://storage.googleapis.com/upload/storage/v1/b/results/o",
        "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions",
        f"https://workflowexecutions.googleapis.com{CALLBACK}/more",
        f"https://workflowexecutions.googleapis.com{CALLBACK}/../../x:cancel",
        f"https://workflowexecutions.googleapis.com//{CALLBACK}",
        f"https://workflowexecutions.googleapis.com:444{CALLBACK}",
        f"https://workflowexecutions.googleapis.com.evil.com{CALLBACK}",
        f"https://evil.com/{WORKFLOWS}",
        f"http://workflowexecutions.googleapis.com{CALLBACK}",
        "http://minutes-abc-ew.a.run.app/",
        "http://127.0.0.1:8000/",
        "http://localhost/",
    ],
)
def test_no_other_address_gets_a_token(url: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        refuse_callback(url, "google")
    assert refused.value.param in ("callback_auth", "callback_url")


@pytest.mark.parametrize("url", ["https://example.com/", "http://minutes-abc-ew.a.run.app/", "https://10.0.0.1/"])
def test_the_local_system_allows_this_machine_and_no_more(url: str) -> None:
    assert token_for(target_of("http://127.0.0.1:8000/x"), allow_loopback=True) == IdToken("http://127.0.0.1:8000")
    assert token_for(target_of("http://[::1]:8000/x"), allow_loopback=True) == IdToken("http://[::1]:8000")
    assert token_for(target_of(f"http://localhost:8000{CALLBACK}"), allow_loopback=True) == AccessToken()
    with pytest.raises(FieldRefused):
        refuse_callback(url, "google", allow_loopback=True)
