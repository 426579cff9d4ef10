"""Build each function's dependencies from its settings: once, on the first request inside the worker.

gunicorn imports a function's module before it forks; a channel opened then would hang the worker's first requests.
The cloud classes are imported where they are used, so that no function loads a client that it does not need.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shared.clock import Clock
from shared.cloud.tracing import start_tracing
from shared.dependencies import ApiDeps, GenerateDeps, IngestDeps, NotifyDeps, SweepDeps
from shared.settings import (
    ApiSettings,
    DispatchSettings,
    GenerateSettings,
    IngestSettings,
    NotifySettings,
    SweepSettings,
)

if TYPE_CHECKING:
    from shared.cloud.events import Events
    from shared.cloud.firestore import Tasks
    from shared.cloud.queue import Dispatches, Queue
    from shared.cloud.throttle import Throttle

_DRAWING_BYTES = 640 << 20
"""Address space of the drawing process: about 300 MiB for Python and its libraries, plus 40 megapixels twice."""


@cache
def ingest() -> IngestDeps:
    from shared.cloud.firestore import Tasks
    from shared.cloud.index_entries import IndexEntries
    from shared.cloud.storage import Storage
    from shared.intake import Intake
    from shared.request_intake import RequestIntake

    settings = IngestSettings()
    start_tracing("ingest", settings)
    clock = Clock(settings.clock)
    tasks = Tasks(settings.project, settings.database)
    dispatches = _dispatches(settings)
    storage = Storage(settings.project, threads=8)
    return IngestDeps(
        settings=settings,
        clock=clock,
        intake=Intake(settings, clock, tasks, dispatches, settings.settle_seconds),
        requests=RequestIntake(settings, clock, tasks, dispatches, storage),
        dispatches=dispatches,
        index_entries=IndexEntries(tasks.client),
    )


@cache
def generate() -> GenerateDeps:
    from shared.answer_judge import AnswerJudge
    from shared.breaker import Breaker
    from shared.budgets import Budgets
    from shared.cloud.chunk_store import ChunkStore
    from shared.cloud.fetch import Web
    from shared.cloud.file_search import FileSearch
    from shared.cloud.firestore import Tasks
    from shared.cloud.gemini import Gemini
    from shared.cloud.index_entries import IndexEntries
    from shared.cloud.keys import Keys
    from shared.cloud.recipes import RecipeBooks
    from shared.cloud.reservations import Reservations
    from shared.cloud.storage import Storage
    from shared.cloud.totals import Totals
    from shared.converter import Converter
    from shared.examiner import Examiner
    from shared.extractor import Extractor
    from shared.orphan_files import OrphanFiles
    from shared.page_drawer import PageDrawer
    from shared.sandbox import Sandbox
    from shared.splitter import Splitter
    from shared.transfer_slots import TransferSlots

    settings = GenerateSettings()
    start_tracing("generate", settings)
    clock = Clock(settings.clock)
    tasks = Tasks(settings.project, settings.database)
    # Tasks that are not transferring files write their answers and results meanwhile.
    storage = Storage(settings.project, threads=2 * settings.transfers)
    totals, reservations, throttle = Totals(tasks.client), Reservations(tasks.client), _throttle(tasks, clock)
    gemini = Gemini(settings.gemini_api_key.get_secret_value(), clock, threads=settings.transfers)
    keys, index_entries = Keys(tasks.client, clock), IndexEntries(tasks.client)
    return GenerateDeps(
        settings=settings,
        clock=clock,
        tasks=tasks,
        dispatches=_dispatches(settings),
        storage=storage,
        gemini=gemini,
        orphan_files=OrphanFiles(gemini, tasks, clock, settings.environment),
        web=Web(threads=settings.transfers, allow_loopback=settings.allow_loopback),
        throttle=throttle,
        chunks=ChunkStore(tasks.client),
        callbacks=_callback_queue(settings),
        recipes=RecipeBooks(storage, clock),
        judge=AnswerJudge(Sandbox()),
        drawing=Sandbox(processes=1, memory_bytes=_DRAWING_BYTES),
        page_drawer=PageDrawer(),
        # Two, so that a file whose server is slow does not hold up the others.
        examiner=Examiner(Sandbox(processes=2)),
        totals=totals,
        reservations=reservations,
        budgets=Budgets(settings, clock, totals, reservations, keys.daily_budget),
        breaker=Breaker(throttle, clock),
        converter=Converter(Sandbox(processes=2)),
        extractor=Extractor(Sandbox()),
        # One at a time: a part is held in memory until it is uploaded.
        splitter=Splitter(Sandbox(processes=1)),
        events=_events(settings),
        transfers=TransferSlots(settings.transfers),
        keys=keys,
        file_search=FileSearch(gemini, index_entries, clock, settings.environment),
        index_entries=index_entries,
    )


@cache
def api() -> ApiDeps:
    from shared.budgets import Budgets
    from shared.cloud.chunk_store import ChunkStore
    from shared.cloud.firestore import Tasks
    from shared.cloud.index_entries import IndexEntries
    from shared.cloud.keys import Keys
    from shared.cloud.object_writer import ObjectWriter
    from shared.cloud.reservations import Reservations
    from shared.cloud.storage import Storage
    from shared.cloud.totals import Totals
    from shared.request_intake import RequestIntake

    settings = ApiSettings()
    start_tracing("api", settings)
    clock = Clock(settings.clock)
    tasks = Tasks(settings.project, settings.database)
    dispatches, storage = _dispatches(settings), Storage(settings.project, threads=16)
    keys, totals = Keys(tasks.client, clock), Totals(tasks.client)
    return ApiDeps(
        settings=settings,
        clock=clock,
        tasks=tasks,
        storage=storage,
        dispatches=dispatches,
        requests=RequestIntake(settings, clock, tasks, dispatches, storage),
        chunks=ChunkStore(tasks.client),
        keys=keys,
        throttle=_throttle(tasks, clock),
        totals=totals,
        budgets=Budgets(settings, clock, totals, Reservations(tasks.client), keys.daily_budget),
        uploads=ObjectWriter(storage, settings.requests_bucket),
        index_entries=IndexEntries(tasks.client),
    )


@cache
def notify() -> NotifyDeps:
    from shared.cloud.callbacks import Callbacks
    from shared.cloud.firestore import Tasks
    from shared.cloud.identity import Identity
    from shared.cloud.storage import Storage

    settings = NotifySettings()
    start_tracing("notify", settings)
    return NotifyDeps(
        settings=settings,
        clock=Clock(settings.clock),
        tasks=Tasks(settings.project, settings.database),
        storage=Storage(settings.project, threads=8),
        callbacks=Callbacks(per_host=4, identity=Identity(), allow_loopback=settings.allow_loopback),
    )


@cache
def sweep() -> SweepDeps:
    from shared.budgets import Budgets
    from shared.cloud.file_search import FileSearch
    from shared.cloud.firestore import Tasks
    from shared.cloud.gemini import Gemini
    from shared.cloud.index_entries import IndexEntries
    from shared.cloud.keys import Keys
    from shared.cloud.notes import Notes
    from shared.cloud.reservations import Reservations
    from shared.cloud.storage import Storage
    from shared.cloud.totals import Totals
    from shared.intake import Intake
    from shared.orphan_files import OrphanFiles
    from shared.request_intake import RequestIntake

    settings = SweepSettings()
    start_tracing("sweep", settings)
    clock = Clock(settings.clock)
    tasks = Tasks(settings.project, settings.database)
    gemini = Gemini(settings.gemini_api_key.get_secret_value(), clock, threads=1)
    dispatches, storage = _dispatches(settings), Storage(settings.project, threads=4)
    index_entries = IndexEntries(tasks.client)
    return SweepDeps(
        settings=settings,
        clock=clock,
        tasks=tasks,
        notes=Notes(tasks.client, "sweep"),
        dispatches=dispatches,
        intake=Intake(settings, clock, tasks, dispatches),
        requests=RequestIntake(settings, clock, tasks, dispatches, storage),
        storage=storage,
        orphan_files=OrphanFiles(gemini, tasks, clock, settings.environment),
        throttle=_throttle(tasks, clock),
        file_search=FileSearch(gemini, index_entries, clock, settings.environment),
        index_entries=index_entries,
        budgets=Budgets(
            settings, clock, Totals(tasks.client), Reservations(tasks.client), Keys(tasks.client, clock).daily_budget
        ),
        callbacks=_callback_queue(settings),
    )


def _throttle(tasks: Tasks, clock: Clock) -> Throttle:
    from shared.cloud.notes import Notes
    from shared.cloud.throttle import Throttle

    return Throttle(Notes(tasks.client, "throttle"), clock)


def _events(settings: GenerateSettings) -> Events | None:
    if settings.events_topic is None:
        return None
    from shared.cloud.events import Events

    return Events(settings.events_topic)


def _callback_queue(settings: GenerateSettings | SweepSettings) -> Queue | None:
    if settings.callback_queue is None or settings.notify_url is None:
        return None
    return _queue(settings, settings.callback_queue, settings.notify_url)


def _dispatches(settings: DispatchSettings) -> Dispatches:
    from shared.cloud.queue import Dispatches

    return Dispatches(_queue(settings, settings.dispatch_queue, settings.generate_url))


def _queue(settings: DispatchSettings, path: str, url: str) -> Queue:
    from shared.cloud.queue import Queue

    return Queue(path=path, url=url, invoker=settings.invoker, endpoint=settings.queue_endpoint)
