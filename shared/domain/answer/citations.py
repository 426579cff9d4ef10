"""Convert Google Search's sources of a grounded answer to OpenAI's `url_citation` annotations and to a readable list,
and read the passages of files that File Search found.

`groundingMetadata` names pages (`groundingChunks`) and which words rest on them (`groundingSupports`). Its indices
count bytes of one part; the words are looked up in the whole text instead.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.response import Json

_LONGEST_QUOTE = 2_000
"""Characters of a passage that a citation repeats."""


class Page(NamedTuple):
    url: str
    title: str


class Passage(NamedTuple):
    """A passage of a file that the model was given."""

    entry: str
    """The key of the index's entry, as the document's metadata says; empty if it does not."""
    metadata: dict[str, str]
    text: str
    page: int | None
    """Counted from 1."""
    cited: bool
    """Whether words of the answer rest on it."""


def citations(candidate: Json, text: str) -> list[Json]:
    """Return an annotation for each place in `text` and its source; indices are in characters."""
    metadata = candidate.get("groundingMetadata")
    if not isinstance(metadata, dict):
        return []
    result: list[Json] = []
    pages = [_page(chunk) for chunk in _objects(metadata.get("groundingChunks"))]
    for support in _objects(metadata.get("groundingSupports")):
        segment = support.get("segment")
        words = segment.get("text") if isinstance(segment, dict) else None
        start = text.find(words) if isinstance(words, str) and words else -1
        if start < 0:
            continue
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else []:
            page = pages[index] if isinstance(index, int) and 0 <= index < len(pages) else None
            if page is not None:
                place: Json = {"start_index": start, "end_index": start + len(cast(str, words))}
                result.append({"type": "url_citation", "url_citation": {**place, "url": page.url, "title": page.title}})
    return result


def passages(candidate: Json) -> list[Passage]:
    """Return what File Search gave the model. If no words of the answer name their passage, all are cited."""
    metadata = candidate.get("groundingMetadata")
    if not isinstance(metadata, dict):
        return []
    supports = _objects(metadata.get("groundingSupports"))
    listed = [support.get("groundingChunkIndices") for support in supports]
    indices = {index for entry in listed if isinstance(entry, list) for index in entry}
    chunks = [chunk.get("retrievedContext") for chunk in _objects(metadata.get("groundingChunks"))]
    return [
        _passage(context, cited=not indices or index in indices)
        for index, context in enumerate(chunks)
        if isinstance(context, dict)
    ]


def _passage(context: Json, *, cited: bool) -> Passage:
    custom = _objects(context.get("customMetadata"))
    metadata = {str(item.get("key")): str(item.get("stringValue")) for item in custom}
    page = context.get("pageNumber")
    is_page = isinstance(page, int) and page > 0
    text = str(context.get("text") or "")[:_LONGEST_QUOTE]
    return Passage(metadata.get("entry", ""), metadata, text, cast(int, page) if is_page else None, cited)


def pages_of(message: Json) -> list[Page]:
    """Return the pages that a message's annotations name, each once."""
    cited = [citation.get("url_citation") for citation in _objects(message.get("annotations"))]
    return list(
        dict.fromkeys(
            Page(str(citation["url"]), str(citation["title"])) for citation in cited if isinstance(citation, dict)
        )
    )


def _page(chunk: Json) -> Page | None:
    web = chunk.get("web")
    url = web.get("uri") if isinstance(web, dict) else None
    if not isinstance(url, str) or not isinstance(web, dict) or not url.startswith(("https://", "http://")):
        return None
    return Page(url, str(web.get("title") or url))


def _objects(value: JsonValue) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
