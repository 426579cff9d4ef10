"""The stand-in model's texts: derived from the request, and marked as a stand-in's."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from local.standins.gemini.facts import (
    MARK,
    Segment,
    describe,
    first_recording,
    question_in_short,
    span,
    timestamp,
    transcript,
)
from local.standins.gemini.pictures import mask
from local.standins.gemini.prompt import Prompt, texts

_TRANSCRIBE = re.compile(
    r"transcri|subtitle|\bsrt\b|\bvtt\b|closed caption|what (?:is|was) (?:being )?said|diari[sz]", re.I
)
_SEGMENT = re.compile(r"\bsegment(?:s|ation)?\b|\bmasks?\b", re.I)
_DETECT = re.compile(r"bounding box|box_2d|\bdetect\b|\blocate\b", re.I)
_OPENINGS = ("Here is what arrived", "This is what was sent", "What I was given", "Looking at what was sent")


def free_text(prompt: Prompt, random: Random) -> str:
    """Return an answer in prose: a transcript, boxes, or a description of the request."""
    item = first_recording(prompt)
    if item is not None and _TRANSCRIBE.search(prompt.question):
        return _transcript_text(prompt, transcript(prompt, item, random), span(prompt, item))
    if (boxes := requested_boxes(prompt)) is not None:
        return f"{MARK} Boxes made up from the request:\n```json\n{json.dumps(make_boxes(prompt, random, boxes))}\n```"
    lines = [f"{MARK} {random.choice(_OPENINGS)}:"]
    lines += [f"{number}. {describe(prompt, medium)}." for number, medium in enumerate(prompt.items, 1)]
    if question := question_in_short(prompt):
        lines.append(f"The question was: “{question}”")
    if prompt.system:
        lines.append(f"A system instruction of {len(prompt.system)} characters came with it: “{prompt.system[:120]}”")
    lines += [f"{chunk.title} says: {chunk.text}" for chunk in prompt.found]
    if not prompt.found and any("fileSearch" in tool for tool in prompt.tools):
        lines.append("Nothing was found in the files.")
    earlier = sum(bool(texts(turn)) for turn in prompt.turns) - 1
    if earlier > 0:
        lines.append(f"{earlier} turns of conversation went before.")
    lines += [
        f"The function {name} returned {json.dumps(value, ensure_ascii=False)[:500]}."
        for name, value in function_results(prompt)
    ]
    lines.append("No language model was asked: the stand-in answers from lengths, sizes and first words alone.")
    return "\n".join(lines)


def json_text(prompt: Prompt, random: Random) -> Any:
    """Return an answer for a JSON request without a schema."""
    if (boxes := requested_boxes(prompt)) is not None:
        return make_boxes(prompt, random, boxes)
    item = first_recording(prompt)
    answer: dict[str, Any] = {"note": MARK, "question": question_in_short(prompt)}
    if item is not None and _TRANSCRIBE.search(prompt.question):
        answer["segments"] = [
            {
                "start": timestamp(segment.start),
                "end": timestamp(segment.end),
                "speaker": segment.speaker,
                "text": segment.text,
            }
            for segment in transcript(prompt, item, random)
        ]
    answer["media"] = [describe(prompt, segment) for segment in prompt.items]
    return answer


def requested_boxes(prompt: Prompt) -> bool | None:
    """Return whether the requested boxes need masks, or None if the question requests no boxes."""
    if not any(item.media.kind == "image" for item in prompt.items):
        return None
    if _SEGMENT.search(prompt.question):
        return True
    return False if _DETECT.search(prompt.question) else None


def make_boxes(prompt: Prompt, random: Random, with_masks: bool) -> list[dict[str, Any]]:
    """Return made-up boxes in the image guide's form: `box_2d` is [ymin, xmin, ymax, xmax] of 1000."""
    picture = next(item for item in prompt.items if item.media.kind == "image")
    labels = picture.media.colours or ("object",)
    boxes = []
    for label in labels:
        box: dict[str, Any] = {"box_2d": box_of(random), "label": f"{label} area (stand-in)"}
        if with_masks:
            box["mask"] = mask()
        boxes.append(box)
    return boxes


def box_of(random: Random) -> list[int]:
    top, left = random.randint(0, 450), random.randint(0, 450)
    return [top, left, random.randint(top + 100, 1000), random.randint(left + 100, 1000)]


def function_results(prompt: Prompt) -> list[tuple[str, Any]]:
    """Return the names and responses of the function results in the last turn."""
    last = prompt.turns[-1].get("parts", []) if prompt.turns else []
    responses = [part["functionResponse"] for part in last if "functionResponse" in part]
    return [(response.get("name", ""), response.get("response", {})) for response in responses]


def _transcript_text(prompt: Prompt, segments: list[Segment], whole: tuple[float, float]) -> str:
    question = prompt.question.lower()
    if re.search(r"\bsrt\b", question):
        return "\n".join(
            f"{number}\n{_cue(segment.start, ',')} --> {_cue(segment.end, ',')}\n{_cue_text(segment, number)}\n"
            for number, segment in enumerate(segments, 1)
        )
    if re.search(r"\b(?:web)?vtt\b", question):
        cues = (
            f"{_cue(segment.start, '.')} --> {_cue(segment.end, '.')}\n{_cue_text(segment, number)}\n"
            for number, segment in enumerate(segments, 1)
        )
        return "WEBVTT\n\n" + "\n".join(cues)
    lines = [f"[{timestamp(segment.start)}] {segment.speaker}: {segment.text}." for segment in segments]
    start, end = (timestamp(second) for second in whole)
    return "\n".join([f"{MARK} Transcript from {start} to {end}", *lines, f"[{end}] (end)"])


def _cue_text(segment: Segment, number: int) -> str:
    return f"{MARK + ' ' if number == 1 else ''}{segment.speaker}: {segment.text}"


def _cue(seconds: float, separator: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{separator}{thousandths:03}"
