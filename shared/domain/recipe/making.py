"""Recipes that make speech, vectors or pictures instead of words: their settings, and the requests they send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field, JsonValue

from shared.domain.answer.response import Json
from shared.domain.media.kinds import Family
from shared.domain.models.catalogue import Output
from shared.domain.recipe.transcription import Language
from shared.domain.tasks.task import Frozen

if TYPE_CHECKING:
    from shared.domain.recipe.definition import Recipe

Makes = Literal["speech", "embedding", "picture"]
Voice = Literal[
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe", "Charon", "Despina",
    "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore", "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima",
    "Rasalgethi", "Sadachbia", "Sadaltager", "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr", "Zubenelgenubi",
]  # fmt: skip
"""Guide "Text-to-speech generation", the prebuilt voices."""
TaskType = Literal[
    "SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING", "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY",
    "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
]  # fmt: skip
"""Guide "Embeddings", supported task types."""
AspectRatio = Literal["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
PictureSize = Literal["1K", "2K", "4K"]
"""As the SDK documents `ImageConfig`."""

NEEDED_OUTPUTS: dict[Makes, Output] = {"speech": "audio", "embedding": "embedding", "picture": "image"}
"""The output that a model must have."""
MADE_ENDINGS = {"speech": "wav", "embedding": "embeddings.json", "picture": "png"}
MADE_METADATA_KEYS = {
    "voice": "speech.voice",
    "language": "speech.language",
    "aspect_ratio": "picture.aspect_ratio",
    "image_size": "picture.size",
}
"""Keys of metadata, and the fields of a recipe that they set."""
_EXAMPLE_MODELS: dict[Makes, str] = {
    "speech": "gemini-3.8-flash-lite-tts",
    "embedding": "gemini-embedding-2",
    "picture": "gemini-3.1-flash-image",
}
_INPUT_FAMILIES: dict[Makes, set[Family]] = {
    "speech": {"text"},
    "embedding": {"text", "pdf", "image"},
    "picture": {"text", "image", "pdf"},
}
_PRODUCTS = {"speech": "speech", "embedding": "vectors", "picture": "pictures"}
DESCRIPTIONS: dict[Makes, str] = {
    "speech": "reads the text aloud",
    "embedding": "makes vectors, by which texts, pages and pictures of a like meaning are found",
    "picture": "draws a picture of the text, or anew from a picture",
}
"""What a recipe does, where its prompt does not say it."""
_FIELDS_OF_WORDS = (
    "asks", "system", "response_schema", "evidence", "range", "transcription", "transcript", "continuations",
    "split_minutes", "split_pages", "count_rows", "cut_documents", "join", "tools", "functions", "index",
)  # fmt: skip
"""Fields of recipes whose answer is words."""
_FIELDS_OF_WORDS_AND_PICTURES = ("companions", "thinking", "media_resolution", "safety", "requires")
"""Further fields that speech and vectors do not use."""
_PREFIXES: dict[TaskType, str] = {
    "RETRIEVAL_DOCUMENT": "title: none | text: ",
    "RETRIEVAL_QUERY": "task: search result | query: ",
    "QUESTION_ANSWERING": "task: question answering | query: ",
    "FACT_VERIFICATION": "task: fact checking | query: ",
    "CODE_RETRIEVAL_QUERY": "task: code retrieval | query: ",
    "CLASSIFICATION": "task: classification | query: ",
    "CLUSTERING": "task: clustering | query: ",
    "SEMANTIC_SIMILARITY": "task: sentence similarity | query: ",
}
"""Guide "Embeddings": gemini-embedding-2 takes the task as words before the text, not as a setting."""


class Speech(Frozen):
    """Settings to have the text read aloud. The recipe's prompt describes the manner."""

    voice: Voice = "Kore"
    language: Language | None = None
    """None: the language of the text."""


class Embedding(Frozen):
    """Settings to make vectors of texts, pages and pictures."""

    dimensions: int = Field(default=768, ge=128, le=2048)
    """The maximum is that of Firestore's vector search."""
    task_type: TaskType = "RETRIEVAL_DOCUMENT"
    window: int = Field(default=2000, ge=100, le=4000)
    """The most characters of text for one vector; never more than half of the model's tokens."""


class Picture(Frozen):
    """Settings to make a picture."""

    aspect_ratio: AspectRatio | None = None
    size: PictureSize | None = None
    """None: the model's own, 1K."""


def made_metadata_keys(recipe: Recipe) -> dict[str, str]:
    """Return the metadata keys that change the recipe's speech or picture settings, and the fields that they set."""
    return {key: place for key, place in MADE_METADATA_KEYS.items() if place.partition(".")[0] == recipe.makes}


def misfits_of_making(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the fields that a recipe for speech, vectors or pictures cannot have, and why."""
    chosen = [name for name in get_args(Makes) if getattr(recipe, name) is not None]
    if len(chosen) > 1:
        yield chosen[1], f"this recipe makes one thing: leave out {' or '.join(chosen[1:])}"
    makes = recipe.makes
    if makes is None:
        return
    fields = _FIELDS_OF_WORDS if makes == "picture" else (*_FIELDS_OF_WORDS, *_FIELDS_OF_WORDS_AND_PICTURES)
    for field in fields:
        if getattr(recipe, field) != type(recipe).model_fields[field].get_default(call_default_factory=True):
            yield field, f"this recipe makes {_PRODUCTS[makes]}; {field} is for answers in words"
    if makes == "embedding" and recipe.prompt:
        yield "prompt", "vectors are made of the file alone: leave out the prompt"
    for name in ("max_tokens", "stop"):
        if getattr(recipe.parameters, name):
            yield f"parameters.{name}", f"this recipe makes {_PRODUCTS[makes]}; {name} is for answers in words"
    allowed = _INPUT_FAMILIES[makes]
    if not allowed.issuperset(recipe.takes):
        yield "takes", f"{_PRODUCTS[makes]} can be made of {' or '.join(sorted(allowed))} only"


def output_flaw(makes: Makes, outputs: Sequence[str]) -> str | None:
    """Return why files of these endings cannot be made, or None."""
    if list(outputs) == [MADE_ENDINGS[makes]]:
        return None
    return f'a recipe that makes {_PRODUCTS[makes]} has outputs = ["{MADE_ENDINGS[makes]}"]'


def reason_unable(makes: Makes | None, model: str, outputs: frozenset[Output]) -> str | None:
    """Return why a model cannot make what a recipe makes (None: words), or None."""
    if makes is None:
        return None if "text" in outputs else f"Model {model} does not answer with text."
    if NEEDED_OUTPUTS[makes] in outputs:
        return None
    return f"Model {model} makes no {_PRODUCTS[makes]}: {_EXAMPLE_MODELS[makes]} does."


def method_of(makes: Makes | None) -> str:
    """Return the method that a model must have, as the service lists it."""
    return "embedContent" if makes == "embedding" else "generateContent"


def made_config(recipe: Recipe) -> dict[str, JsonValue]:
    """Return the fields of generationConfig for speech or pictures."""
    if recipe.speech is not None:
        voice: Json = {"prebuiltVoiceConfig": {"voiceName": recipe.speech.voice}}
        spoken: Json = {"voiceConfig": voice}
        if recipe.speech.language is not None:
            spoken["languageCode"] = recipe.speech.language
        return {"responseModalities": ["AUDIO"], "speechConfig": spoken}
    if recipe.picture is None:
        return {}
    wanted: Json = {"aspectRatio": recipe.picture.aspect_ratio, "imageSize": recipe.picture.size}
    given: Json = {name: value for name, value in wanted.items() if value is not None}
    return {"responseModalities": ["IMAGE"], **({"imageConfig": given} if given else {})}


def speech_contents(recipe: Recipe, text: str) -> Json:
    """Return the contents of a request to read a text aloud, word for word. The manner is not read aloud."""
    part: Json = {"text": text}
    if recipe.prompt:
        part["speechMetadata"] = {"style": recipe.prompt}
    return {"contents": [{"role": "user", "parts": [part]}]}


def embedding_body(embedding: Embedding, model: str, texts: Sequence[str], pictures: Sequence[Json] = ()) -> Json:
    """Return the request of `shared.cloud.embeddings`: one content for each text, and each picture as inlineData."""
    settings: Json = {"outputDimensionality": embedding.dimensions}
    prefix = _PREFIXES[embedding.task_type] if model.startswith("gemini-embedding-2") else ""
    if not prefix:
        settings["taskType"] = embedding.task_type
    contents: list[JsonValue] = [{"role": "user", "parts": [{"text": prefix + text}]} for text in texts]
    contents += [{"role": "user", "parts": [{"inlineData": picture}]} for picture in pictures]
    return {"contents": contents, "embedding": settings}
