"""Trace tasks with OpenTelemetry, from the event through the queue to the outcome. If it is off, a span costs nothing.

    ingest or api ──traceparent──▶ task and dispatch ──▶ generate ──▶ notify

A span has names, ids and numbers; nothing of a file, a prompt or an answer. OpenTelemetry is imported only once
`start_tracing` has found that the settings ask for it, since it adds to a cold start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

    from shared.settings import Settings

Kind = Literal["internal", "server", "consumer"]
_LONGEST_CONTEXT = 55
"""Characters of a `traceparent` of version 00 (https://www.w3.org/TR/trace-context/)."""


@dataclass(frozen=True)
class _Tracing:
    provider: TracerProvider
    tracer: Tracer
    project: str


_tracing: _Tracing | None = None


def start_tracing(function: str, settings: Settings) -> None:
    """Trace this process if its settings say so. Call it after the fork, since a thread sends the spans."""
    if settings.traces == "off":
        return
    from shared.cloud.span_exporters import LogExporter, cloud_exporter

    exporter = LogExporter() if settings.traces == "console" else cloud_exporter()
    trace_to(exporter, function, settings, at_once=settings.traces == "console")


def trace_to(exporter: SpanExporter, function: str, settings: Settings, *, at_once: bool) -> None:
    """Send spans to `exporter`: each as it ends, or many together a few seconds later."""
    global _tracing
    if _tracing is not None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create(
        {
            "service.name": f"dropsight-{function}",
            "deployment.environment.name": settings.environment,
            # The Telemetry API stores spans in the project that they name.
            "gcp.project_id": settings.project,
        }
    )
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(settings.traces_sampled)), resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter))
    _tracing = _Tracing(provider, provider.get_tracer("dropsight"), settings.project)


def stop_tracing() -> None:
    """Send the remaining spans, and stop tracing."""
    global _tracing
    if _tracing is not None:
        _tracing.provider.shutdown()
        _tracing = None


@contextmanager
def span(
    name: str, *, parent: str = "", root: bool = False, kind: Kind = "internal", **attributes: str | int | float
) -> Iterator[None]:
    """Trace the body as a step. `parent`: the W3C `traceparent` of what caused it, if that was another process.

    A `root` begins a trace of its own, whatever is traced around it.

    Of an error only its type is noted: its message may quote what must not be told.
    """
    if _tracing is None:
        yield
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode, use_span

    started = _tracing.tracer.start_span(
        name, context=_context_of(parent, root=root), kind=SpanKind[kind.upper()], attributes=_named(attributes)
    )
    with use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException as error:
            started.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def annotate(**attributes: str | int | float | None) -> None:
    """Add attributes to the current span; None is left out."""
    if _tracing is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(_named(attributes))


def current_context() -> str:
    """Return the `traceparent` of the current span; empty if there is none."""
    if _tracing is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def fields_for_log() -> dict[str, str]:
    """Return the field by which Cloud Logging shows a line beside its trace."""
    if _tracing is None:
        return {}
    _, trace, _, _ = (current_context() or "---").split("-")
    # No span id: functions-framework sets the id of the platform's span for the request.
    return {"logging.googleapis.com/trace": f"projects/{_tracing.project}/traces/{trace}"} if trace else {}


def _context_of(parent: str, *, root: bool) -> Context | None:
    """Return the context to start in: the current one, unless `parent` is a valid `traceparent` or it is a root."""
    if root:
        from opentelemetry.context import Context

        return Context()
    if not parent or len(parent) > _LONGEST_CONTEXT:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _named(attributes: Mapping[str, str | int | float | None]) -> dict[str, str | int | float]:
    return {f"dropsight.{name}": value for name, value in attributes.items() if value is not None}
