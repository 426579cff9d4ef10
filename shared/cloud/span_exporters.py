"""Where spans go: to the Telemetry API, which Cloud Trace shows, or into the log. Imported only where tracing is on."""

from __future__ import annotations

from collections.abc import Sequence

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

from shared.cloud.telemetry import log

TELEMETRY_API = "https://telemetry.googleapis.com/v1/traces"
"""Takes OTLP (https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.traces.post)."""
_SCOPE = "https://www.googleapis.com/auth/trace.append"


def cloud_exporter(session: requests.Session | None = None, endpoint: str = TELEMETRY_API) -> OTLPSpanExporter:
    """Return what sends spans by OTLP, as the function's own service account unless `session` says otherwise."""
    return OTLPSpanExporter(endpoint=endpoint, session=session or _authorized())


def _authorized() -> requests.Session:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


class LogExporter(SpanExporter):
    """Writes each span as a line of the log, with the action `span`."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            context = span.get_span_context()
            if context is None:
                continue
            seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
            values = {
                name.removeprefix("dropsight."): value
                for name, value in (span.attributes or {}).items()
                if isinstance(value, str | int | float)
            }
            log(
                "DEBUG",
                "span",
                f"{span.name} took {seconds:.3f} s",
                **{
                    **values,
                    "span": span.name,
                    "trace_id": format_trace_id(context.trace_id),
                    "span_id": format_span_id(context.span_id),
                    "parent_id": format_span_id(span.parent.span_id) if span.parent else None,
                    "error": span.status.description,
                    "seconds": round(seconds, 3),
                },
            )
        return SpanExportResult.SUCCESS
