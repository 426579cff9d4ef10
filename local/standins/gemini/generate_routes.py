"""`models/M:METHOD` and `cachedContents`: reading requests, answering them whole or in a stream."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from local.standins.gemini import embeddings, models
from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.billing import TIER_HEADER, Bill, service_tier
from local.standins.gemini.body import json_body
from local.standins.gemini.caches import CacheStore, cached_prompt, model_of
from local.standins.gemini.checks import check, check_contents
from local.standins.gemini.continuation import Hop, hop
from local.standins.gemini.errors import invalid, unimplemented
from local.standins.gemini.generation import Generation, generate
from local.standins.gemini.models import Model, Version
from local.standins.gemini.paging import check_parameters, page
from local.standins.gemini.prompt import Prompt, Reader
from local.standins.gemini.search_stores import SearchStores
from local.standins.gemini.streaming import as_array, as_events, chunks, paced
from local.standins.gemini.tokens import details
from local.standins.gemini.tool_rules import check_tools
from local.standins.gemini.wire import read_message
from local.standins.ledger import Ledger, current_call
from shared.clock import Clock

REQUEST_BYTES = 20 * 1024**2
"""The largest request, inline data included: 20 MB."""
_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


class GenerateRoutes:
    def __init__(self, reader: Reader, caches: CacheStore, stores: SearchStores, clock: Clock, ledger: Ledger) -> None:
        self._reader, self._stores = reader, stores
        self._caches, self._clock, self._ledger = caches, clock, ledger

    async def handle(
        self, request: Request, version: Version, name: str, method: str, behaviour: Behaviour
    ) -> Response:
        current_call.get().notes["model"] = name.removeprefix("models/")
        if method not in (*_METHODS, *embeddings.METHODS):
            raise unimplemented(method)
        check_parameters(request)
        self._ledger.count("gemini", method)
        today = self._clock.now().date()
        if method in embeddings.METHODS:
            return await self._embed(request, models.find(name, version, "embedContent", today), method, behaviour)
        model = models.find(name, version, method.replace("streamGenerateContent", "generateContent"), today)
        body = await json_body(request, REQUEST_BYTES)
        if method == "countTokens":
            return await self._count_tokens(body, model)
        read = read_message("GenerateContentRequest", body)
        this_hop = hop(read.get("continuationToken"), model, behaviour, streamed=method == "streamGenerateContent")
        tier = service_tier(read, behaviour)
        generation = await self._generation(read, model, behaviour, this_hop)
        bill, headers = Bill(self._ledger, current_call.get(), generation, tier), {TIER_HEADER: tier}
        if tier == "flex":
            await self._clock.sleep(behaviour.flex_latency)
        if method == "generateContent":
            await self._clock.sleep(behaviour.latency)
            bill.settle()
            return JSONResponse(generation.response(), headers=headers)
        sent = bill.settled_after(paced(chunks(generation, behaviour), behaviour, self._clock))
        if request.query_params.get("alt", request.query_params.get("$alt")) == "sse":
            return StreamingResponse(as_events(sent), media_type="text/event-stream", headers=headers)
        return StreamingResponse(as_array(sent), media_type="application/json; charset=UTF-8", headers=headers)

    async def _embed(self, request: Request, model: Model, method: str, behaviour: Behaviour) -> Response:
        body = await json_body(request, REQUEST_BYTES)
        if method == "embedContent":
            requests = [read_message("EmbedContentRequest", body)]
        else:
            requests = read_message("BatchEmbedContentsRequest", body).get("requests", [])
        embeddings.check_count(requests)
        prompts = [await self._reader.read({"contents": [each.get("content", {})]}, model) for each in requests]
        answer = await asyncio.to_thread(embeddings.embed, requests, prompts, model)
        if method == "embedContent":
            answer["embedding"] = answer.pop("embeddings")[0]
        await self._clock.sleep(behaviour.latency)
        tokens = answer["usageMetadata"]["promptTokenCount"]
        current_call.get().notes["prompt_tokens"] = str(tokens)
        self._ledger.count("gemini", "prompt_tokens", tokens)
        return JSONResponse(answer)

    async def _generation(
        self, request: dict[str, Any], model: Model, behaviour: Behaviour, this_hop: Hop
    ) -> Generation:
        check(request, model)
        prompt = await self._prompt(request, model)
        prompt = replace(prompt, found=self._stores.find(prompt.tools, prompt.question))
        config = request.get("generationConfig", {})
        return await asyncio.to_thread(generate, prompt, config, model, behaviour, this_hop)

    async def _prompt(self, request: dict[str, Any], model: Model) -> Prompt:
        return await self._reader.read(request, model, cached_prompt(self._caches, request, model))

    async def _count_tokens(self, body: dict[str, Any], model: Model) -> Response:
        read = read_message("CountTokensRequest", body)
        inner = read.get("generateContentRequest")
        if inner is not None and "contents" in read:
            raise invalid("* CountTokensRequest: only one of contents and generate_content_request can be set.\n")
        counted = inner if inner is not None else read
        check_contents(counted, "CountTokensRequest" if inner is None else "GenerateContentRequest")
        prompt = await self._prompt(counted, model)
        answer: dict[str, Any] = {
            "totalTokens": sum(prompt.tokens.values()),
            "promptTokensDetails": details(prompt.tokens),
        }
        if cached := sum(prompt.cached_tokens.values()):
            answer["cachedContentTokenCount"] = cached
        return JSONResponse(answer)

    async def create_cache(self, request: Request, version: Version, _: str) -> Response:
        self._ledger.count("gemini", "cachedContents.create")
        body = await json_body(request, REQUEST_BYTES)
        read = read_message("CachedContent", body)
        model = model_of(read, version, self._clock.now().date())
        if "contents" in read:
            check_contents(read, "CreateCachedContentRequest.cached_content")
        check_tools(read, model)
        prompt = await self._reader.read(read, model)
        return JSONResponse(self._caches.create(body, read, prompt, model).resource())

    async def list_caches(self, request: Request, version: Version, _: str) -> Response:
        self._ledger.count("gemini", "cachedContents.list")
        resources = [cache.resource() for cache in self._caches.newest_first()]
        return page(request, "cachedContents", resources, default=50, most=1000)

    async def get_cache(self, request: Request, version: Version, cache_id: str) -> Response:
        self._ledger.count("gemini", "cachedContents.get")
        return JSONResponse(self._caches.get(cache_id).resource())

    async def update_cache(self, request: Request, version: Version, cache_id: str) -> Response:
        self._ledger.count("gemini", "cachedContents.patch")
        check_parameters(request, frozenset({"update_mask"}))
        read = read_message("CachedContent", await json_body(request, REQUEST_BYTES))
        return JSONResponse(self._caches.update(self._caches.get(cache_id), read).resource())

    async def delete_cache(self, request: Request, version: Version, cache_id: str) -> Response:
        self._ledger.count("gemini", "cachedContents.delete")
        self._caches.delete(self._caches.get(cache_id))
        return JSONResponse({})
