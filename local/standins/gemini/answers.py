"""The stand-in model's words: derived from what was sent, and saying that they are a stand-in's."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from local.standins.gemini.facts import MARK, Segment, describe, heard, moment, question_in_short, span, transcript
from local.standins.gemini.pictures import mask
from local.standins.gemini.prompt import Prompt, texts

_TRANSCRIBE = re.compile(
    r"transcri|subtitle|\bsrt\b|\bvtt\b|closed caption|what (?:is|was) (?:being )?said|diari[sz]", re.I
)
_SEGMENT = re.compile(r"\bsegment(?:s|ation)?\b|\bmasks?\b", re.I)
_DETECT = re.compile(r"bounding box|box_2d|\bdetect\b|\blocate\b", re.I)
_OPENINGS = ("Here is what arrived", "This is what was sent", "What I was given", "Looking at what was sent")


def free_text(prompt: Prompt, random: Random) -> str:
    """An answer in prose, in Markdown where lists are called for."""
    item = heard(prompt)
    if item is not None and _TRANSCRIBE.search(prompt.question):
        return _transcript_text(prompt, transcript(prompt, item, random), span(prompt, item))
    if (boxes := boxes_wanted(prompt)) is not None:
        return f"{MARK} Boxes made up from the request:\n```json\n{json.dumps(found_boxes(prompt, random, boxes))}\n```"
    said = [f"{MARK} {random.choice(_OPENINGS)}:"]
    said += [f"{number}. {describe(prompt, one)}." for number, one in enumerate(prompt.items, 1)]
    if question := question_in_short(prompt):
        said.append(f"The question was: “{question}”")
    if prompt.system:
        said.append(f"A system instruction of {len(prompt.system)} characters came with it: “{prompt.system[:120]}”")
    earlier = sum(bool(texts(turn)) for turn in prompt.turns) - 1
    if earlier > 0:
        said.append(f"{earlier} turns of conversation went before.")
    said += [
        f"The function {name} returned {json.dumps(value, ensure_ascii=False)[:500]}."
        for name, value in returned(prompt)
    ]
    said.append("No language model was asked: the stand-in answers from lengths, sizes and first words alone.")
    return "\n".join(said)


def json_text(prompt: Prompt, random: Random) -> Any:
    """An answer for JSON without a schema."""
    if (boxes := boxes_wanted(prompt)) is not None:
        return found_boxes(prompt, random, boxes)
    item = heard(prompt)
    answer: dict[str, Any] = {"note": MARK, "question": question_in_short(prompt)}
    if item is not None and _TRANSCRIBE.search(prompt.question):
        answer["segments"] = [
            {"start": moment(one.start), "end": moment(one.end), "speaker": one.speaker, "text": one.text}
            for one in transcript(prompt, item, random)
        ]
    answer["media"] = [describe(prompt, one) for one in prompt.items]
    return answer


def boxes_wanted(prompt: Prompt) -> bool | None:
    """None: no boxes are asked for. True: with masks."""
    if not any(item.media.kind == "image" for item in prompt.items):
        return None
    if _SEGMENT.search(prompt.question):
        return True
    return False if _DETECT.search(prompt.question) else None


def found_boxes(prompt: Prompt, random: Random, with_masks: bool) -> list[dict[str, Any]]:
    """As the image guide shows them: `box_2d` is [ymin, xmin, ymax, xmax] of 1000."""
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


def returned(prompt: Prompt) -> list[tuple[str, Any]]:
    """What functions answered in the last turn."""
    last = prompt.turns[-1].get("parts", []) if prompt.turns else []
    responses = [part["functionResponse"] for part in last if "functionResponse" in part]
    return [(response.get("name", ""), response.get("response", {})) for response in responses]


def _transcript_text(prompt: Prompt, segments: list[Segment], whole: tuple[float, float]) -> str:
    question = prompt.question.lower()
    if re.search(r"\bsrt\b", question):
        return "\n".join(
            f"{number}\n{_cue(one.start, ',')} --> {_cue(one.end, ',')}\n{_said(one, number)}\n"
            for number, one in enumerate(segments, 1)
        )
    if re.search(r"\b(?:web)?vtt\b", question):
        cues = (
            f"{_cue(one.start, '.')} --> {_cue(one.end, '.')}\n{_said(one, number)}\n"
            for number, one in enumerate(segments, 1)
        )
        return "WEBVTT\n\n" + "\n".join(cues)
    lines = [f"[{moment(one.start)}] {one.speaker}: {one.text}." for one in segments]
    start, end = (moment(second) for second in whole)
    return "\n".join([f"{MARK} Transcript from {start} to {end}", *lines, f"[{end}] (end)"])


def _said(segment: Segment, number: int) -> str:
    return f"{MARK + ' ' if number == 1 else ''}{segment.speaker}: {segment.text}"


def _cue(seconds: float, separator: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{separator}{thousandths:03}"
