"""Split an object that is too long for one call: plan its parts, and build the questions about each.

PDF                  cut by pages
scan, picture        also whole, as one part, if the model counts its rows
recording            cut at silences, 10 s of it in two parts each
film                 uploaded once; each question names the moments that it is about
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

from functions.generate.lease import Lease
from functions.generate.model.spending import media_tokens
from functions.generate.question.parts import parts_of_object
from functions.generate.question.upload import upload_part, upload_stream, wait_until_active
from shared.cloud.object_stream import SourceVanished
from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import CompleteAnswer
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import Facts, media_type
from shared.domain.models.catalogue import Model
from shared.domain.models.prices import InputKind
from shared.domain.recipe.definition import Join, Range, Recipe, RecipeQuestion
from shared.domain.recipe.question import About, Question
from shared.domain.recipe.wire import PreparedFile, request
from shared.domain.splitting import plan as planning
from shared.domain.splitting.joining import joining_prompt, part_note, way_to_join
from shared.domain.splitting.plan import Part, Span, part_name, part_source
from shared.domain.tasks import claims
from shared.domain.tasks.task import GeminiFile, Ran
from shared.examiner import Threaded

T = TypeVar("T")


class PartQuestions(Protocol):
    """Writes the questions about the parts of a file, as bodies of generateContent."""

    def about_part(
        self, recipe: Recipe, asked: RecipeQuestion, shown: Range | None, note: str, sent: list[PreparedFile]
    ) -> Json:
        """`shown` is the range that the prompt may name; `note` says which part it is."""

    def about_answers(
        self,
        recipe: Recipe,
        asked: RecipeQuestion,
        shown: Range | None,
        answers: Sequence[CompleteAnswer],
        plan: Sequence[Span],
    ) -> Json:
        """Return what makes one answer of those about the parts."""


class RecipeQuestions(NamedTuple):
    """The questions of a recipe."""

    fill: Callable[[str, Range | None], str]
    """Fills in the placeholders of a prompt, with the range that it names."""
    today: date

    def about_part(
        self, recipe: Recipe, asked: RecipeQuestion, shown: Range | None, note: str, sent: list[PreparedFile]
    ) -> Json:
        prompt = "\n\n".join(text for text in (self.fill(asked.prompt, shown), note) if text)
        return request(recipe, asked, prompt, sent, self.today)

    def about_answers(
        self,
        recipe: Recipe,
        asked: RecipeQuestion,
        shown: Range | None,
        answers: Sequence[CompleteAnswer],
        plan: Sequence[Span],
    ) -> Json:
        prompt = joining_prompt(self.fill(asked.prompt, shown), answers, plan)
        return request(recipe, asked, prompt, [], self.today)


class AskedInParts(Protocol):
    """A file or a text that is split into parts."""

    @property
    def plan(self) -> tuple[Span, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def asked_to_join(self) -> tuple[RecipeQuestion, ...]: ...
    async def prepare(self, earlier: Part | None) -> None: ...
    def names_of_part(self, number: int) -> tuple[str, ...]: ...
    async def is_counted(self, number: int) -> bool: ...
    async def questions_of_part(self, number: int) -> list[Question]: ...
    def joining_question(self, asked: RecipeQuestion, answers: list[CompleteAnswer]) -> Question: ...


@dataclass
class SplitObject:
    """An object that is split into parts. Call `prepare` first. It reads the object while the task holds its slot."""

    deps: GenerateDeps
    lease: Lease
    stored: StoredObject
    facts: Facts
    recipe: Recipe
    """The recipe, with its system instruction filled in."""
    questions: PartQuestions
    require_source: Callable[[], Awaitable[object]]
    """Raises `PermanentFailure` if the object was deleted or overwritten."""
    ran: Ran
    model: Model | None
    noticed: tuple[str, ...]
    """Warnings that do not come from splitting."""
    plan: tuple[Span, ...] = ()
    warning: str = ""
    pictures: frozenset[int] | None = None
    """Pages without text, whose rows the model counts; None until they are determined."""

    async def prepare(self, earlier: Part | None) -> None:
        """Plan the parts, or use an earlier claim's plan. Raises `PermanentFailure` for too many parts."""
        if earlier is not None:
            self.plan, self.warning = earlier.plan, earlier.warning
            return
        self.plan = tuple(await self._reading(self._plan()))
        if len(self.plan) > self.deps.settings.most_parts:
            message = (
                f"The file is too long: it would have to be split into {len(self.plan)} parts or more, and at most "
                f"{self.deps.settings.most_parts} are asked about. Split it by hand, and upload its parts."
            )
            raise PermanentFailure("media_too_long", message)
        counted = [span for number, span in enumerate(self.plan, 1) if await self.is_counted(number)]
        self.warning = planning.split_warning(
            self.plan, self.facts, self.recipe, self.model, joining=len(self.asked_to_join), counted=counted
        )
        log("INFO", "file_split", self.warning, task=self.lease.task.id, object=self.lease.task.source.uri)
        await self.lease.change(lambda task: claims.warn(task, self.lease.token, (self.warning,)))

    async def _reading(self, reading: Awaitable[T]) -> T:
        """Await what reads the object. Raises `PermanentFailure` if it is not there any more, as it was."""
        try:
            return await reading
        except (SourceVanished, OSError) as error:
            await self.require_source()
            raise TransientFailure("the object could not be read") from error

    async def _plan(self) -> list[Span]:
        splitter, facts = self.deps.splitter, self.facts
        if facts.media_type.family in ("pdf", "image") and not planning.is_split(self.recipe, facts, self.model):
            return [Span(start=1, end=facts.pages or 1, unit="pages")]
        if facts.media_type.family == "pdf":
            most = planning.most_pages(self.recipe, facts, self.model)
            most_parts = self.deps.settings.most_parts
            plan = await splitter.plan_pages(self._source, facts, most_pages=most, most_parts=most_parts)
            return planning.with_shared_pages(plan, planning.shared_pages(self.recipe))
        start, end = planning.asked_span(self.recipe, facts.duration or 0.0)
        cuts, search = planning.plan_cuts(start, end, planning.most_seconds(self.recipe, facts, self.model))
        if len(cuts) < self.deps.settings.most_parts:
            cuts = await splitter.find_silences(self._source, facts, cuts, search)
        return list(planning.spans_between(start, end, cuts))

    @property
    def _source(self) -> Threaded:
        storage = self.deps.storage
        return Threaded(storage.ranges(self.stored, b""), storage.in_thread)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all questions about parts."""
        return tuple(name for number in range(1, len(self.plan) + 1) for name in self.names_of_part(number))

    def names_of_part(self, number: int) -> tuple[str, ...]:
        return tuple(part_name(asked.name, number, len(self.plan)) for asked in self.recipe.questions)

    @property
    def asked_to_join(self) -> tuple[RecipeQuestion, ...]:
        """Return the questions whose answers about the parts are joined by one more call."""
        return tuple(asked for asked in self.recipe.questions if self._join(asked) == "ask")

    def _join(self, asked: RecipeQuestion) -> Join:
        join = way_to_join(self.recipe, asked)
        return "append" if join == "ask" and self._is_whole else join

    async def is_counted(self, number: int) -> bool:
        """Return whether the rows of a part are counted by a question of their own: some of its pages have no text."""
        if not self.recipe.count_rows or self.facts.media_type.family not in ("pdf", "image"):
            return False
        if self.pictures is None:
            self.pictures = frozenset(await self._reading(self.deps.examiner.pages_without_text(self._source)))
        span = self.plan[number - 1]
        return any(span.start <= page <= span.end for page in self.pictures)

    async def questions_of_part(self, number: int) -> list[Question]:
        """Cut and upload a part, and return the questions about it. The task holds its slot."""
        span = self.plan[number - 1]
        await self.require_source()
        uploaded = await self._reading(self._upload(number, span))
        file = await wait_until_active(self.deps, self.lease, uploaded)
        recipe = self.recipe.model_copy(update={"range": self._range(span)})
        sent = [PreparedFile(file.mime_type, file.uri)]
        questions = []
        for asked in recipe.questions:
            shown = recipe.range if self.recipe.range else None
            note = "" if self._is_film or self._is_whole else part_note(self.plan, number)
            questions.append(self._question(asked, number, self.questions.about_part(recipe, asked, shown, note, sent)))
        return questions

    def joining_question(self, asked: RecipeQuestion, answers: list[CompleteAnswer]) -> Question:
        """Return the question that joins the answers about the parts."""
        recipe = self.recipe.model_copy(update={"range": None, "tools": ()})
        body = self.questions.about_answers(recipe, asked, self.recipe.range, answers, self.plan)
        return self._question(asked, 0, body)

    @property
    def _is_whole(self) -> bool:
        """Whether a document or picture is asked about at once, so that its rows are counted."""
        return len(self.plan) == 1 and self.plan[0].unit == "pages"

    @property
    def _is_film(self) -> bool:
        return self.facts.media_type.family == "video"

    def _range(self, span: Span) -> Range | None:
        """Return the range of the uploaded file that a question is about."""
        if self._is_film:
            return Range(start=span.start, end=span.end)
        asked = self.recipe.range
        if asked is None:
            return None
        return Range(start=max(0.0, asked.start - span.start), end=min(asked.end or span.end, span.end) - span.start)

    async def _upload(self, number: int, span: Span) -> GeminiFile:
        if self._is_film or self._is_whole:
            (whole,) = await parts_of_object(self.deps, self.lease, self.stored, self.facts)
            return await upload_part(self.deps, self.lease, whole, index=0, source=self.stored.identity)

        async def open_part() -> io.IOBase:
            return await self.deps.splitter.cut(self._source, self.facts, span, self.lease.stop)

        mime = "application/pdf" if span.unit == "pages" else media_type("audio/ogg").mime
        source = part_source(self.stored.identity, span)
        name = f"{self.stored.name} ({span.label})"
        return await upload_stream(self.deps, self.lease, open_part, mime, name=name, index=number - 1, source=source)

    def _question(self, asked: RecipeQuestion, number: int, body: Json) -> Question:
        recipe = self.recipe
        part = Part(
            question=asked.name,
            number=number,
            plan=self.plan,
            join=self._join(asked),
            warning=self.warning,
        )
        return Question(
            model=recipe.model,
            body=body,
            ran=self.ran,
            reasoning=recipe.thinking is not None and recipe.thinking.include,
            name=part_name(asked.name, number, len(self.plan)),
            response_schema=asked.response_schema,
            continuations=recipe.most_continuations,
            max_tokens=recipe.parameters.max_tokens,
            repairs=1,
            sources=(self.stored.identity,),
            part=part,
            about=self._about,
            media=self._media(number),
        )

    def _media(self, number: int) -> dict[InputKind, int]:
        """Return the tokens of a part, for the estimate of what the call costs; none for the call that joins."""
        if number == 0:
            return {}
        span = self.plan[number - 1]
        size = span.end - span.start
        part = {"pages": int(size) + 1} if span.unit == "pages" else {"duration": size}
        return media_tokens([self.facts.model_copy(update=part)], self.model, self.recipe.media_resolution)

    @cached_property
    def _about(self) -> About:
        return About(
            transcript=self.recipe.transcript,
            duration=self.facts.duration,
            range=self.recipe.range,
            warnings=(self.warning, *self.noticed),
        )


def without_evidence(recipe: Recipe) -> list[str]:
    """Return the warning of a split file whose recipe asks for evidence."""
    if not recipe.evidence:
        return []
    return ["No evidence was asked for: quotes are looked up in files that are asked about at once, and have text."]
