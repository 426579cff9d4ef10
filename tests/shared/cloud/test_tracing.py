"""A trace goes from one process to the next by the W3C context, holds no content, and costs nothing while it is off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from shared.cloud import tracing
from shared.cloud.span_exporters import LogExporter, cloud_exporter
from shared.cloud.telemetry import log
from shared.domain.tasks.task import Task
from shared.settings import Inbox, Settings
from tests.environment import function_environment

ROOT = Path(__file__).parents[3]


def settings(**fields: Any) -> Settings:
    buckets: Any = {"requests_bucket": "requests", "results_bucket": "results"}
    return Settings(project="acme", inboxes={"inbox": Inbox()}, **buckets, **fields)


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    tracing.stop_tracing()


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


def test_steps_and_processes_are_joined_by_the_context(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start_tracing("ingest", settings(traces="console"))
    with tracing.span("first", kind="consumer"):
        handed_over = tracing.current_context()
        with tracing.span("step"):
            tracing.annotate(calls=2, code=None)
    with tracing.span("second", parent=handed_over, kind="consumer", task="task-llm-1"):
        pass
    step, first, second = lines(capsys)
    assert handed_over.rpartition("-")[0] == f"00-{first['trace_id']}-{first['span_id']}"
    assert {each["trace_id"] for each in (step, first, second)} == {first["trace_id"]}
    assert step["parent_id"] == second["parent_id"] == first["span_id"]
    assert first["action"] == "span"
    assert "parent_id" not in first
    assert step["calls"] == 2
    assert "code" not in step
    assert second["task"] == "task-llm-1"


@pytest.mark.parametrize("parent", ["", "x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-ä" * 40, "00-a-b-c\n" * 9])
def test_a_context_that_is_none_begins_a_new_trace(parent: str, capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start_tracing("api", settings(traces="console"))
    with tracing.span("api", parent=parent):
        pass
    (only,) = lines(capsys)
    assert "parent_id" not in only


def test_of_an_error_only_its_type_is_traced(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start_tracing("generate", settings(traces="console"))
    with pytest.raises(ValueError, match="the patient's name"), tracing.span("model"):
        raise ValueError("the patient's name")
    (only,) = lines(capsys)
    assert only["error"] == "ValueError"
    assert "patient" not in json.dumps(only)


def test_log_lines_name_their_trace_as_cloud_logging_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start_tracing("generate", settings(traces="console"))
    log("INFO", "before", "no span yet")
    with tracing.span("generate"):
        log("INFO", "within", "in a span")
    before, within, ended = lines(capsys)
    assert not any(name.startswith("logging.googleapis.com") for name in before)
    assert within["logging.googleapis.com/trace"] == f"projects/acme/traces/{ended['trace_id']}"


def test_a_share_of_nothing_traces_nothing_but_the_context_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.start_tracing("ingest", settings(traces="console", traces_sampled=0))
    with tracing.span("ingest"):
        handed_over = tracing.current_context()
    with tracing.span("generate", parent=handed_over):
        pass
    assert handed_over
    assert lines(capsys) == []


@pytest.mark.long
def test_off_there_is_no_context_and_opentelemetrys_sdk_is_not_loaded() -> None:
    tracing.start_tracing("ingest", settings())
    with tracing.span("ingest"):
        tracing.annotate(calls=1)
        assert tracing.current_context() == ""
        assert tracing.fields_for_log() == {}
    program = """
import sys
import functions.generate.main, functions.ingest.main, functions.notify.main, functions.sweep.main, functions.api.main
import shared.cloud.firestore, shared.cloud.gemini, shared.cloud.queue, shared.cloud.storage
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=function_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "[]", ran.stderr


class _Collector(BaseHTTPRequestHandler):
    received: list[ExportTraceServiceRequest] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_spans_are_sent_by_otlp_with_the_project_they_belong_to() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with requests.Session() as session:
        exporter = cloud_exporter(session, f"http://127.0.0.1:{server.server_port}/v1/traces")
        tracing.trace_to(exporter, "generate", settings(), at_once=False)
        with tracing.span("generate", task="task-llm-1"):
            pass
        tracing.stop_tracing()
    server.shutdown()
    thread.join()
    server.server_close()
    (export,) = _Collector.received
    (spans,) = export.resource_spans
    resource = {attribute.key: attribute.value.string_value for attribute in spans.resource.attributes}
    assert resource["gcp.project_id"] == "acme"
    assert resource["service.name"] == "dropsight-generate"
    (sent,) = spans.scope_spans[0].spans
    assert sent.name == "generate"
    assert {attribute.key: attribute.value.string_value for attribute in sent.attributes} == {
        "dropsight.task": "task-llm-1"
    }


def test_the_log_takes_spans_of_any_values(capsys: pytest.CaptureFixture[str]) -> None:
    tracing.trace_to(LogExporter(), "generate", settings(), at_once=True)
    with tracing.span("generate", number=1, share=0.5, text="t"):
        pass
    (only,) = lines(capsys)
    assert (only["number"], only["share"], only["text"]) == (1, 0.5, "t")


def test_what_a_document_holds_is_not_quoted_by_the_error_that_says_it_cannot_be_read() -> None:
    with pytest.raises(ValidationError) as unreadable:
        Task.model_validate({"id": "task-llm-1", "results": "the patient's name", "metadata": {"a": 1}})
    assert "patient" not in str(unreadable.value)
