"""The RPCs that run queries: their documents, aggregates of them, partitions of a collection group, and query plans."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from google.cloud.firestore_v1 import types

from local.standins.firestore import aggregation, conditions, masks, paths, read_times, search
from local.standins.firestore.databases import Databases
from local.standins.firestore.indexes import Index, Indexes
from local.standins.firestore.query import Order, Query, parse_query
from local.standins.firestore.reads import read_token
from local.standins.firestore.wire import invalid
from local.standins.ledger import Ledger

_RunQueryResponse: Any = types.RunQueryResponse.pb()
_RunAggregationQueryResponse: Any = types.RunAggregationQueryResponse.pb()
_PartitionQueryResponse: Any = types.PartitionQueryResponse.pb()
_ExplainMetrics: Any = types.ExplainMetrics.pb()
_ENTRIES_PER_READ = 1000


class Queries:
    def __init__(self, databases: Databases, ledger: Ledger, indexes: Indexes) -> None:
        self._databases, self._ledger, self._indexes = databases, ledger, indexes

    async def run_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = paths.parent_path(request.parent)
        query = parse_query(name, parent, request.structured_query)
        used = self._indexes.check(query)
        explained, started = request.HasField("explain_options"), time.perf_counter()
        if explained and not request.explain_options.analyze:
            yield _RunQueryResponse(explain_metrics=_plan(query, used))
            return
        view, result = await self._run(name, query, request)
        documents = result.documents
        if query.nearest is not None:
            documents = await asyncio.to_thread(query.nearest.choose, documents)
        reads = self._bill(len(documents) + result.skipped)
        if view.began or not documents:
            yield _RunQueryResponse(transaction=view.began, read_time=view.time, skipped_results=result.skipped)
        metrics = None
        if explained:
            metrics = _executed(_plan(query, used), len(documents), reads, time.perf_counter() - started)
        for number, document in enumerate(documents, 1):
            yield _RunQueryResponse(
                document=masks.masked(document, query.projection),
                read_time=view.time,
                explain_metrics=metrics if number == len(documents) else None,
            )
        if explained and not documents:
            yield _RunQueryResponse(explain_metrics=metrics, read_time=view.time)

    async def run_aggregation_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = paths.parent_path(request.parent)
        wire = request.structured_aggregation_query
        aggregation.aliases(wire.aggregations)
        fields = aggregation.aggregated_fields(wire.aggregations)
        query = parse_query(name, parent, wire.structured_query, fields)
        used = self._indexes.check(query)
        explained, started = request.HasField("explain_options"), time.perf_counter()
        if explained and not request.explain_options.analyze:
            yield _RunAggregationQueryResponse(explain_metrics=_plan(query, used))
            return
        bound = aggregation.most_counted(wire.aggregations)
        if bound is not None:
            query = replace(query, limit=bound if query.limit is None else min(bound, query.limit))
        if query.limit is None and not query.offset and query.start is None and query.end is None:
            query = replace(query, unordered=True)
        view, result = await self._run(name, query, request)
        results = await asyncio.to_thread(aggregation.aggregate, result.documents, wire.aggregations)
        reads = self._bill(-(-(len(result.documents) + result.skipped) // _ENTRIES_PER_READ))
        answer = _RunAggregationQueryResponse(transaction=view.began, read_time=view.time)
        answer.result.SetInParent()
        for alias, value in results.items():
            answer.result.aggregate_fields[alias].CopyFrom(value)
        yield answer
        if explained:
            metrics = _executed(_plan(query, used), 1, reads, time.perf_counter() - started)
            yield _RunAggregationQueryResponse(explain_metrics=metrics, read_time=view.time)

    async def partition_query(self, request: Any) -> Any:
        """Answer with cursors that split a collection group into parts of about equal size."""
        name, parent = paths.parent_path(request.parent)
        query = parse_query(name, parent, request.structured_query)
        if not query.descendants or query.filter != conditions.EVERYTHING or query.orders != (Order(paths.NAME),):
            raise invalid("Only a query for all documents of a collection group, ordered by name, can be partitioned.")
        if request.partition_count <= 0:
            raise invalid("partition_count must be positive.")
        view = await read_times.view(self._databases, name, request)
        documents = (await search.run(self._databases.get(name), query, view.micros)).documents
        pieces = min(request.partition_count + 1, max(1, len(documents)))
        cuts = [documents[len(documents) * piece // pieces].name for piece in range(1, pieces)]
        if after := read_token(request.page_token):
            cuts = cuts[cuts.index(after) + 1 :] if after in cuts else []
        answer = _PartitionQueryResponse()
        if 0 < request.page_size < len(cuts):
            cuts = cuts[: request.page_size]
            answer.next_page_token = base64.urlsafe_b64encode(cuts[-1].encode()).decode()
        for cut in cuts:
            answer.partitions.add(before=True).values.add().reference_value = cut
        self._bill(1)
        return answer

    async def _run(self, name: str, query: Query, request: Any) -> tuple[read_times.View, search.QueryResult]:
        view = await read_times.view(self._databases, name, request, query=query)
        result = await search.run(self._databases.get(name), query, view.micros)
        if view.read is not None:
            view.read.ended(result.documents, result.skipped)
        return view, result

    def _bill(self, reads: int) -> int:
        """Count the billed reads, at least one for every query, and return them."""
        reads = max(1, reads)
        self._ledger.count("firestore", "reads", reads)
        return reads


def _plan(query: Query, used: Sequence[Index]) -> Any:
    metrics = _ExplainMetrics()
    dimension = len(query.nearest.vector) if query.nearest is not None else 0
    metrics.plan_summary.SetInParent()
    for index in used:
        metrics.plan_summary.indexes_used.add().update(index.describe(dimension))
    return metrics


def _executed(metrics: Any, results: int, reads: int, seconds: float) -> Any:
    stats = metrics.execution_stats
    stats.results_returned, stats.read_operations = results, reads
    stats.execution_duration.FromNanoseconds(max(1, int(seconds * 1e9)))
    stats.debug_stats.update(
        {
            "billing_details": {"documents_billable": str(reads), "index_entries_billable": "0", "small_ops": "0"},
            "documents_scanned": str(results),
            "index_entries_scanned": str(results),
        }
    )
    return metrics
