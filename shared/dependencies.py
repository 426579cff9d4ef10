"""What each function works with: its settings, the clock and the clients of the services that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.clock import Clock
from shared.settings import (
    ApiSettings,
    GenerateSettings,
    IngestSettings,
    NotifySettings,
    SweepSettings,
)

if TYPE_CHECKING:
    from shared.answer_judge import AnswerJudge
    from shared.breaker import Breaker
    from shared.budgets import Budgets
    from shared.cloud.callbacks import Callbacks
    from shared.cloud.chunk_store import ChunkStore
    from shared.cloud.events import Events
    from shared.cloud.fetch import Web
    from shared.cloud.file_search import FileSearch
    from shared.cloud.firestore import Tasks
    from shared.cloud.gemini import Gemini
    from shared.cloud.index_entries import IndexEntries
    from shared.cloud.keys import Keys
    from shared.cloud.notes import Notes
    from shared.cloud.object_writer import ObjectWriter
    from shared.cloud.queue import Dispatches, Queue
    from shared.cloud.recipes import RecipeBooks
    from shared.cloud.reservations import Reservations
    from shared.cloud.storage import Storage
    from shared.cloud.throttle import Throttle
    from shared.cloud.totals import Totals
    from shared.converter import Converter
    from shared.examiner import Examiner
    from shared.extractor import Extractor
    from shared.intake import Intake
    from shared.orphan_files import OrphanFiles
    from shared.page_drawer import PageDrawer
    from shared.request_intake import RequestIntake
    from shared.sandbox import Sandbox
    from shared.splitter import Splitter
    from shared.transfer_slots import TransferSlots


@dataclass(frozen=True)
class IngestDeps:
    settings: IngestSettings
    clock: Clock
    intake: Intake
    requests: RequestIntake
    dispatches: Dispatches
    index_entries: IndexEntries


@dataclass(frozen=True)
class GenerateDeps:
    settings: GenerateSettings
    clock: Clock
    tasks: Tasks
    dispatches: Dispatches
    storage: Storage
    gemini: Gemini
    web: Web
    throttle: Throttle
    chunks: ChunkStore
    orphan_files: OrphanFiles
    callbacks: Queue | None
    """The queue of notify; None if callbacks are not configured."""
    recipes: RecipeBooks
    judge: AnswerJudge
    drawing: Sandbox
    """The child process that draws on pictures, one at a time."""
    page_drawer: PageDrawer
    examiner: Examiner
    totals: Totals
    reservations: Reservations
    budgets: Budgets
    breaker: Breaker
    converter: Converter
    """Two conversions at once, since one may wait for a slow upload."""
    extractor: Extractor
    splitter: Splitter
    events: Events | None
    """The topic of ended tasks; None if events are not configured."""
    transfers: TransferSlots
    keys: Keys
    file_search: FileSearch
    index_entries: IndexEntries


@dataclass(frozen=True)
class ApiDeps:
    settings: ApiSettings
    clock: Clock
    tasks: Tasks
    storage: Storage
    dispatches: Dispatches
    requests: RequestIntake
    chunks: ChunkStore
    keys: Keys
    throttle: Throttle
    totals: Totals
    budgets: Budgets
    uploads: ObjectWriter
    index_entries: IndexEntries


@dataclass(frozen=True)
class NotifyDeps:
    settings: NotifySettings
    clock: Clock
    tasks: Tasks
    storage: Storage
    callbacks: Callbacks


@dataclass(frozen=True)
class SweepDeps:
    settings: SweepSettings
    clock: Clock
    tasks: Tasks
    notes: Notes
    dispatches: Dispatches
    intake: Intake
    requests: RequestIntake
    storage: Storage
    orphan_files: OrphanFiles
    callbacks: Queue | None
    """The queue of notify; None if callbacks are not configured."""
    throttle: Throttle
    file_search: FileSearch
    index_entries: IndexEntries
    budgets: Budgets
