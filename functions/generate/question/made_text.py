"""Have a text read aloud, or vectors made of it and of pages without text, part by part. Each part is one billed call,
stored like the calls of a split file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import NamedTuple

from functions.generate.lease import Lease
from functions.generate.question.parts import UploadPart
from functions.generate.question.shown_pages import (
    Picture,
    ShownPage,
    in_batches,
    load_pictures,
    picture_tokens,
    read_at_most,
    read_whole,
    shown_pictures,
)
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import CompleteAnswer
from shared.domain.checks.rows import named_pages
from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts, InMemory
from shared.domain.models.catalogue import Model
from shared.domain.models.prices import InputKind
from shared.domain.recipe.definition import Recipe, RecipeQuestion
from shared.domain.recipe.making import embedding_body, speech_contents
from shared.domain.recipe.question import About, Question, Window
from shared.domain.recipe.wire import generation_config
from shared.domain.splitting.plan import Part, Span, part_name
from shared.domain.splitting.text_cuts import cut_by_bytes, cut_by_characters
from shared.domain.tasks import claims
from shared.domain.tasks.task import Ran
from shared.examiner import Threaded
from shared.off_loop import off_loop

SPOKEN_BYTES = 4_000
"""Bytes of UTF-8 in one call: some four minutes of speech. The models accept 8,192 tokens, but answer with eleven
minutes at most, and the voice drifts in long answers (guide "Text-to-speech generation", limitations)."""
MAX_TEXTS = 100
"""Texts in one call (batchEmbedContents)."""
_SOUNDS_LIKE_WORDS = ("text/plain", "text/markdown")


def refuse_unspeakable(recipe: Recipe, facts: Facts) -> None:
    """Raise `PermanentFailure` for a text file that cannot be read aloud."""
    kind = facts.media_type
    if recipe.speech is not None and kind.preparation is None and kind.mime not in _SOUNDS_LIKE_WORDS:
        message = (
            f"Recipe {recipe.name} reads plain text, Markdown and documents aloud; this is {kind.label}. "
            "Save its text as .txt, and drop that."
        )
        raise PermanentFailure("unsupported_content_type", message)


class ReadText(NamedTuple):
    text: str
    remarks: tuple[str, ...]
    """Sentences about content that the text lacks."""
    shown: tuple[ShownPage, ...] = ()
    """Pages and pictures of which vectors are made without text."""


async def read_text(deps: GenerateDeps, recipe: Recipe, parts: Sequence[UploadPart], model: Model | None) -> ReadText:
    """Return the text of a file, given its parts to upload, and its pages without text.

    Raises `PermanentFailure` for a damaged file, and `TransientFailure` if a PDF could not be read now.
    """
    if parts[0].facts.media_type.family == "image":
        return ReadText("", (), shown_pictures(parts))
    most = 4 * most_characters(deps, recipe, model)
    pieces: list[str] = []
    remarks: list[str] = []
    shown: list[ShownPage] = []
    for part in parts:
        if part.facts.media_type.family == "pdf":
            document = await _text_of_pdf(deps, part)
            pieces.append(document.text)
            remarks += document.remarks
            shown += document.shown
        if part.facts.media_type.family != "text":
            continue
        with await part.open() as stream:
            data = await deps.storage.in_thread(partial(read_at_most, stream, most + 1 - sum(map(len, pieces))))
        pieces.append(data.decode("utf-8", "replace").removeprefix("\ufeff"))
    return ReadText("\n\n".join(pieces), tuple(remarks), tuple(shown))


async def _text_of_pdf(deps: GenerateDeps, part: UploadPart) -> ReadText:
    """Return the text layer of a PDF, and the pages that show something and have none."""
    source = Threaded(InMemory(await read_whole(deps, part)), deps.storage.in_thread)
    pages = await deps.examiner.page_texts(source)
    empty = [number for number, text in enumerate(pages, 1) if not text.strip()]
    pictures = set(await deps.examiner.find_pages_without_text(source)) if empty else set[int]()
    blank = [number for number in empty if number not in pictures]
    remarks = (f"Empty pages are not in the vectors: {named_pages(blank)}.",) if blank else ()
    shown = tuple(ShownPage(number, part) for number in empty if number in pictures)
    return ReadText("\n\n".join(pages), remarks, shown)


def most_characters(deps: GenerateDeps, recipe: Recipe, model: Model | None) -> int:
    """Return the most characters of a text: the most of one call, times the most parts of a file."""
    most = MAX_TEXTS * _window(recipe, model) if recipe.embedding is not None else SPOKEN_BYTES
    return most * deps.settings.most_parts


@dataclass
class MadeText:
    """A text to make speech or vectors of, with its pages without text. Call `prepare` first."""

    deps: GenerateDeps
    lease: Lease
    text: str
    recipe: Recipe
    """The recipe, with its prompt filled in."""
    ran: Ran
    model: Model | None
    noticed: tuple[str, ...]
    sources: tuple[str, ...] = ()
    shown: tuple[ShownPage, ...] = ()
    plan: tuple[Span, ...] = ()
    warning: str = ""

    async def prepare(self, earlier: Part | None) -> None:
        """Plan the parts, or use an earlier claim's plan. Raises `PermanentFailure` for too many parts or none."""
        if earlier is not None:
            self.plan, self.warning = earlier.plan, earlier.warning
            return
        self.plan = await off_loop(self._plan)
        most = self.deps.settings.most_parts
        if not self.plan:
            raise PermanentFailure("empty_file", f"There is no text {self._or_picture}in it.")
        if len(self.plan) > most:
            message = f"{self._subject} is too long: it has {self._length}, which take {len(self.plan)} calls, "
            raise PermanentFailure(
                "media_too_long", f"{message}and at most {most} are made. Cut it into several files."
            )
        if len(self.plan) > 1:
            self.warning = f"{self._subject} has {self._length}; it took {len(self.plan)} calls."
            await self.lease.change(lambda task: claims.warn(task, self.lease.token, (self.warning,)))
        log("INFO", "text_planned", f"{len(self.plan)} calls", task=self.lease.task.id)

    def _plan(self) -> tuple[Span, ...]:
        if self.recipe.embedding is None:
            cuts = cut_by_bytes(self.text, SPOKEN_BYTES)
        else:
            windows = cut_by_characters(self.text, _window(self.recipe, self.model))
            batches = (windows[at : at + MAX_TEXTS] for at in range(0, len(windows), MAX_TEXTS))
            cuts = [(batch[0][0], batch[-1][1]) for batch in batches]
        texts = tuple(Span(start=start, end=end, unit="characters") for start, end in cuts)
        # A mail may have several PDFs: pages are counted through all of them.
        ends = [0, *accumulate(map(len, in_batches(self.shown)))]
        return (*texts, *(Span(start=start + 1, end=end, unit="pages") for start, end in pairwise(ends)))

    @property
    def _or_picture(self) -> str:
        return "" if self.recipe.embedding is None else "and no picture "

    @property
    def _subject(self) -> str:
        return "The file" if self.shown else "The text"

    @property
    def _length(self) -> str:
        characters = [f"{len(self.text):,} characters"] if self.text.strip() or not self.shown else []
        pages = [f"{count:,} page{'' if count == 1 else 's'} without text"] if (count := len(self.shown)) else []
        return " and ".join([*characters, *pages])

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for number in range(1, len(self.plan) + 1) for name in self.names_of_part(number))

    def names_of_part(self, number: int) -> tuple[str, ...]:
        return (part_name("", number, len(self.plan)),)

    @property
    def asked_to_join(self) -> tuple[RecipeQuestion, ...]:
        return ()

    def joining_question(self, asked: RecipeQuestion, answers: list[CompleteAnswer]) -> Question:
        raise AssertionError("what was made of the parts is joined without a call")

    async def is_counted(self, number: int) -> bool:
        return False

    async def questions_of_part(self, number: int) -> list[Question]:
        span = self.plan[number - 1]
        if span.unit == "characters":
            return [await off_loop(self._question_of_text, number)]
        shown = self.shown[int(span.start) - 1 : int(span.end)]
        return [self._question_of_pictures(number, await load_pictures(self.deps, shown))]

    def _question_of_text(self, number: int) -> Question:
        recipe, span = self.recipe, self.plan[number - 1]
        start, text = int(span.start), self.text[int(span.start) : int(span.end)]
        windows: tuple[Window, ...] = ()
        body: Json
        if recipe.embedding is not None:
            cuts = cut_by_characters(text, _window(recipe, self.model))
            windows = tuple(
                Window(start=first + start, end=last + start, text=text[first:last].strip()) for first, last in cuts
            )
            body = embedding_body(recipe.embedding, recipe.model, [window.text for window in windows])
        else:
            config = generation_config(recipe, recipe.questions[0])
            body = {**speech_contents(recipe, text.strip()), "generationConfig": config}
        return self._question(number, body, windows)

    def _question_of_pictures(self, number: int, pictures: Sequence[Picture]) -> Question:
        recipe = self.recipe
        assert recipe.embedding is not None
        body = embedding_body(recipe.embedding, recipe.model, [], [picture.blob for picture in pictures])
        windows = tuple(Window(page=picture.page) for picture in pictures)
        return self._question(number, body, windows, picture_tokens(pictures, self.model))

    def _question(
        self, number: int, body: Json, windows: tuple[Window, ...], media: dict[InputKind, int] | None = None
    ) -> Question:
        recipe = self.recipe
        warnings = (*([self.warning] if self.warning else []), *self.noticed)
        return Question(
            model=recipe.model,
            body=body,
            ran=self.ran,
            name=part_name("", number, len(self.plan)),
            sources=self.sources,
            part=Part(question="", number=number, plan=self.plan, join="append", warning=self.warning),
            about=About(warnings=warnings),
            makes=recipe.makes,
            windows=windows,
            media=media or {},
        )


def _window(recipe: Recipe, model: Model | None) -> int:
    """Return the characters of a window, assuming at most two tokens for each character."""
    assert recipe.embedding is not None
    return min(recipe.embedding.window, model.input_tokens // 2 if model is not None else recipe.embedding.window)
