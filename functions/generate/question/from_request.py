"""Build the question of a request: read and check it, fetch and upload its files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import cast

from functions.generate.lease import Lease
from functions.generate.model.call import model_notices, refuse_if_throttled, require_model
from functions.generate.model.context_cache import cacheable
from functions.generate.model.spending import media_tokens
from functions.generate.question.model_checks import count_tokens_if_nearly_full, known_model
from functions.generate.question.request_inputs import RequestInputs
from functions.generate.question.search import search_of_request
from functions.generate.question.split import AskedInParts
from functions.generate.question.split_request import is_divisible, split_request
from shared.cloud.outbound import refuse_callback
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FailureCode, PermanentFailure, RequestRefused
from shared.domain.models.comparison import are_different
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.making import method_of
from shared.domain.recipe.question import About, Question, questions_for_answers
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.inputs import StoredInput
from shared.domain.request.overrides import CACHED_CONTENT
from shared.domain.request.schema import LARGEST_BODY
from shared.domain.request.to_recipe import ResolvedRequest
from shared.domain.request.uploads import is_own_upload
from shared.domain.request.validation import read_and_check
from shared.domain.request.wire import body
from shared.domain.tasks.task import Ran, Task


async def questions_of_request(deps: GenerateDeps, lease: Lease) -> tuple[Question, ...] | AskedInParts:
    """Return the request's question, once for each answer that it wants.

    A file that is too long for one call is split.
    """
    task, today = lease.task, deps.clock.now().date()
    request = await _read_request(deps, task)
    recipe, streamed = request.recipe, request.submission.stream
    lease.model, lease.ran = recipe.model, _snapshot(task, recipe)
    await refuse_if_throttled(deps, recipe.model)
    await require_model(deps, recipe.model, method=method_of(recipe.makes))
    search = await search_of_request(deps, task, request.submission.index)
    cached_tokens = await _tokens_of_cache(deps, request.submission.google.cached_content, recipe.model)
    preparation = RequestInputs(deps, lease, recipe, request.inputs)
    if recipe.makes in ("speech", "embedding"):
        return await _made_text(deps, lease, request, lease.ran, preparation)
    first = request.inputs[0] if request.inputs else None
    if isinstance(first, StoredInput) and is_divisible(request):
        long_file = await preparation.find_long_file(first)
        if long_file is not None:
            return split_request(deps, lease, request, long_file, lease.ran, preparation.model, preparation.remarks)
    files: list[PreparedFile] = []
    for index, file in enumerate(request.inputs):
        files.append(await preparation.prepare(file))
        lease.progress = max(lease.progress, 50 * (index + 1) // len(request.inputs))
    request_body = body(request, files, today)
    if search is not None:
        search.add_to(request_body)
    await count_tokens_if_nearly_full(deps, preparation.model, request_body, preparation.shown, recipe.media_resolution)
    question = Question(
        model=recipe.model,
        body=request_body,
        ran=lease.ran,
        reasoning=recipe.thinking is not None and recipe.thinking.include,
        response_schema=request.question.asked_schema,
        # Text that readers have received can neither be withdrawn nor sent again.
        continuations=0 if streamed else recipe.most_continuations,
        max_tokens=recipe.parameters.max_tokens,
        repairs=0 if streamed else 1,
        cacheable=search is None and _is_cacheable(request_body, recipe, preparation),
        cached_tokens=cached_tokens,
        sources=tuple(preparation.sources or ()),
        media=media_tokens(preparation.shown, preparation.model, recipe.media_resolution),
        makes=recipe.makes,
        about=About(
            transcript=len(preparation.files) == 1 and recipe.transcript,
            duration=preparation.files[0].duration if preparation.files else None,
            range=recipe.range,
            evidence=request.question.evidence,
            searched=search.places if search is not None else (),
            warnings=(
                *request.warnings,
                *(search.warnings if search is not None else ()),
                *preparation.remarks,
                *model_notices(deps, recipe.model),
            ),
        ),
    )
    return questions_for_answers(question, request.submission.n or 1)


async def _made_text(
    deps: GenerateDeps, lease: Lease, request: ResolvedRequest, ran: Ran, preparation: RequestInputs
) -> AskedInParts:
    # Loaded where it is used: most instances never make anything but words.
    from functions.generate.question.made_text import MadeText, read_text, refuse_unspeakable
    from functions.generate.question.shown_pages import ShownPage

    recipe = request.recipe
    texts = [message.text for message in request.messages if message.role == "user"]
    shown: tuple[ShownPage, ...] = ()
    for file in request.inputs:
        parts = await preparation.parts_of(file)
        refuse_unspeakable(recipe, preparation.files[-1])
        text, remarks, of_file = await read_text(deps, recipe, parts, preparation.model)
        shown += of_file
        texts.append(text)
        preparation.remarks += [f"{file.param}: {remark}" for remark in remarks]
    model = preparation.model or await known_model(deps, recipe.model)
    noticed = (*request.warnings, *preparation.remarks, *model_notices(deps, recipe.model))
    whole = "\n\n".join(text for text in texts if text.strip())
    manner = recipe.model_copy(update={"prompt": request.instructions.strip()})
    sources = tuple(preparation.sources or ())
    return MadeText(deps, lease, whole, manner, ran, model, noticed, sources=sources, shown=shown)


async def _tokens_of_cache(deps: GenerateDeps, name: str | None, model: str) -> int:
    """Return how many tokens the context cache of a request holds; 0 if it names none.

    Raises `PermanentFailure` if the deployment's Gemini API key has no such cache, or one of another model.
    """
    if name is None:
        return 0
    try:
        cache = await deps.gemini.cache(name)
    except PermanentFailure as failure:
        if failure.code not in ("source_gone", "model_not_found"):
            raise
        message = (
            f"{CACHED_CONTENT}: Gemini has no {name} for this deployment's API key: it expired, was deleted, or was "
            "made with another key. Make it again, or send its files."
        )
        raise PermanentFailure("source_gone", message).with_summary(failure.summary) from failure
    if are_different(cache.model, model):
        message = (
            f"{CACHED_CONTENT}: {name} was made for {cache.model}, and {model} is asked. They have to be the same."
        )
        raise PermanentFailure("invalid_param", message)
    return cache.tokens


async def _read_request(deps: GenerateDeps, task: Task) -> ResolvedRequest:
    """Read and check the request again as the api did; a manifest is checked here for the first time.

    Raises `PermanentFailure` for an invalid request.
    """
    source = task.source
    if source.size > LARGEST_BODY:
        message = (
            f"{source.uri} has {source.size:,} bytes; a request has {LARGEST_BODY:,} at most. Name files as gs://…"
        )
        raise PermanentFailure("invalid_manifest", message)
    text = await deps.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        raise PermanentFailure("source_gone", f"{source.uri} was deleted or overwritten before it could be read.")
    try:
        # In a thread: a body may have 29 MB.
        request = await asyncio.to_thread(read_and_check, text, deps.clock.now().date())
        _refuse_forbidden(deps, task, request)
    except RequestRefused as refused:
        where = f"{refused.param}: " if refused.param and not refused.message.startswith(refused.param) else ""
        code: FailureCode = "invalid_manifest" if source.kind == "manifest" else "invalid_param"
        raise PermanentFailure(code, f"{where}{refused.message}") from refused
    return request


def _refuse_forbidden(deps: GenerateDeps, task: Task, request: ResolvedRequest) -> None:
    """Raise for a file or cache that a manifest's folder may not name, and for a callback URL that may not be called.

    For requests that it wrote, `api` has checked this.
    """
    settings, is_manifest = deps.settings, task.source.kind == "manifest"
    if is_manifest and request.submission.google.cached_content is not None:
        message = f"{CACHED_CONTENT}: a cache may hold anyone's files, so manifests may not name one. Name the files."
        raise RequestRefused(403, "source_not_allowed", message, param=CACHED_CONTENT)
    own = (settings.requests_bucket, settings.results_bucket, settings.source_bucket)
    allowed = settings.manifest_sources.get(task.owner.partition(":")[2], ()) or ("\0",)
    for file in request.inputs:
        if isinstance(file, StoredInput) and is_own_upload(
            file.bucket, file.name, requests_bucket=settings.requests_bucket, owner=task.owner
        ):
            continue
        if isinstance(file, StoredInput) and (file.bucket in own or (is_manifest and not file.uri.startswith(allowed))):
            message = f"{file.param}: manifests of {task.owner} may not name {file.uri}."
            raise RequestRefused(403, "source_not_allowed", message, param=file.param)
    if is_manifest and (url := request.submission.callback_url):
        refuse_callback(url, request.submission.callback_auth, allow_loopback=settings.allow_loopback)


def _snapshot(task: Task, recipe: Recipe) -> Ran:
    """Return the part that the task stores: settings, but not the conversation, which is in the request object."""
    snapshot = recipe.ran().snapshot
    digest = task.request.sha256 if task.request else hashlib.sha256(json.dumps(snapshot).encode()).hexdigest()
    return Ran(recipe=recipe.name, sha256=digest, snapshot=snapshot, origin=task.source.uri)


def _is_cacheable(request_body: Json, recipe: Recipe, preparation: RequestInputs) -> bool:
    """Return whether all files are objects in the first turn, as in a context cache. A request names one at most."""
    if not preparation.sources or "cachedContent" in request_body:
        return False
    parts = cast(list[Json], cast(list[Json], request_body["contents"])[0]["parts"])
    in_first_turn = sum("fileData" in part for part in parts) == len(preparation.sources)
    return in_first_turn and cacheable(preparation.model, preparation.shown, recipe.media_resolution)
