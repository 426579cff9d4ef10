"""Each kind of fault on each service, as the real clients see it.

Objects are written to the results bucket, since an object in the inbox starts functions that could use up the fault.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import grpc
import httpx2
import pytest
import requests
from google.api_core import exceptions as api_errors
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.rpc import error_details_pb2, status_pb2

from tests.running import Running

Call = Callable[[], object]


# Clients leave a connection that a fault cut to the garbage collector.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _collect_garbage() -> Iterator[None]:
    """Collect the connections here, so that their warnings do not fail a test of a later file."""
    yield
    gc.collect()


@pytest.fixture
def calls(system: Running) -> Iterator[dict[str, tuple[str, Call]]]:
    """Return for each service a label by which a fault finds a call, and the call itself, without retries."""
    system.results.blob("fault.bin").upload_from_string(b"x" * 400_000)
    channel = grpc.insecure_channel(system.endpoints.queue)
    queues = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    queue = "projects/dropsight-local/locations/local/queues/dispatch"
    gemini = httpx2.Client(base_url=system.endpoints.gemini, headers={"x-goog-api-key": "any"}, timeout=60)
    document = system.firestore.collection("faults").document("one")
    yield {
        "storage": ("GET /download", lambda: system.results.blob("fault.bin").download_as_bytes(retry=None)),
        "gemini": ("GET /v1beta/models", lambda: _checked(gemini.get("/v1beta/models"))),
        "firestore": ("Commit", lambda: document.set({"a": 1}, retry=None)),
        "queue": ("GetQueue", lambda: queues.get_queue(name=queue, retry=None)),
    }
    gemini.close()
    channel.close()


def _checked(answer: httpx2.Response) -> httpx2.Response:
    answer.raise_for_status()
    return answer


REFUSED = (api_errors.GoogleAPICallError, httpx2.HTTPStatusError)
BROKEN = (api_errors.ServiceUnavailable, requests.exceptions.RequestException, httpx2.TransportError)


@pytest.mark.parametrize("service", ["storage", "gemini", "firestore", "queue"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_status_is_returned_as_many_times_as_the_fault_says(
    system: Running, calls: dict[str, tuple[str, Call]], service: str, status: int
) -> None:
    match, call = calls[service]
    system.fault(service, match, status=status, times=2)
    for _ in range(2):
        with pytest.raises(REFUSED) as refused:
            call()
        error = refused.value
        code = error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else getattr(error, "code", 0)
        assert code == status
    call()


@pytest.mark.parametrize("service", ["storage", "gemini", "firestore", "queue"])
def test_a_delay_slows_the_call_and_lets_it_succeed(
    system: Running, calls: dict[str, tuple[str, Call]], service: str
) -> None:
    match, call = calls[service]
    system.fault(service, match, delay="300ms", times=1)
    began = time.monotonic()
    call()
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("service", ["storage", "gemini", "firestore", "queue"])
@pytest.mark.parametrize("drop", [True, "before", "after"])
def test_a_dropped_connection_fails_one_call_and_the_next_succeeds(
    system: Running, calls: dict[str, tuple[str, Call]], service: str, drop: bool | str
) -> None:
    match, call = calls[service]
    system.fault(service, match, drop=drop, times=1)
    with pytest.raises(BROKEN):
        call()
    call()


def test_a_connection_dropped_after_a_write_leaves_the_write(system: Running) -> None:
    document = system.firestore.collection("faults").document("dropped-after")
    system.fault("firestore", "Commit", drop="after", times=1)
    with pytest.raises(api_errors.ServiceUnavailable):
        document.create({"written": True}, retry=None)
    assert document.get().get("written") is True


def test_a_download_is_cut_after_the_given_number_of_chunks(system: Running) -> None:
    system.results.blob("cut.bin").upload_from_string(b"y" * 3_000_000)
    system.fault("storage", "cut.bin", cut_after=1, times=1)
    with pytest.raises(requests.exceptions.RequestException):
        system.results.blob("cut.bin").download_as_bytes(retry=None)


def test_a_stream_of_documents_is_cut_after_the_given_number(system: Running) -> None:
    documents = [system.firestore.collection("cut").document(str(number)) for number in range(5)]
    for document in documents:
        document.set({"here": True})
    system.fault("firestore", "BatchGetDocuments", cut_after=2, times=1)
    with pytest.raises(api_errors.ServiceUnavailable):
        list(system.firestore.get_all(documents, retry=None))
    assert len(list(system.firestore.get_all(documents))) == 5


def test_a_retry_delay_is_sent_in_each_services_own_format(system: Running, calls: dict[str, tuple[str, Call]]) -> None:
    system.fault("gemini", "GET /v1beta/models", status=429, retry_delay="7s", times=1)
    body = httpx2.get(f"{system.endpoints.gemini}/v1beta/models", headers={"x-goog-api-key": "any"}, timeout=60).json()
    infos = [detail for detail in body["error"]["details"] if detail["@type"].endswith("RetryInfo")]
    assert infos[0]["retryDelay"] == "7s"
    system.fault("firestore", "Commit", status=429, retry_delay="7s", times=1)
    with pytest.raises(api_errors.ResourceExhausted) as refused:
        calls["firestore"][1]()
    trailers = dict(refused.value.errors[0].trailing_metadata())
    rich = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.RetryInfo()
    assert rich.details[0].Unpack(info)
    assert info.retry_delay.seconds == 7


def test_faults_are_listed_and_cleared(system: Running) -> None:
    system.fault("gemini", "nothing", status=500)
    assert system.control("GET", "/faults")[0]["match"] == "nothing"
    assert system.control("DELETE", "/faults") == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"service": "mail"}, "service"),
        ({"service": "gemini", "retry_delay": "soon"}, "duration"),
        ({"service": "gemini", "stauts": 500}, "stauts"),
    ],
)
def test_an_invalid_fault_is_refused_and_its_field_named(system: Running, fault: dict[str, object], says: str) -> None:
    answer = httpx2.post(f"{system.endpoints.control}/faults", json=[fault], timeout=60)
    assert answer.status_code == 422
    assert says in answer.json()["error"]["message"]
