"""A picture is made of a text or of another picture; an answer without one is a failure with its reason."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.functions.generate.conftest import SAMPLES, System, answers, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

HI = [{"role": "user", "content": "Draw a lighthouse."}]


def picture(colour: str, kind: str = "PNG") -> dict[str, Any]:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, kind)
    data = base64.b64encode(out.getvalue()).decode()
    return {"inlineData": {"mimeType": f"image/{kind.lower()}", "data": data}}


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return image.size


async def test_a_text_becomes_a_picture_of_the_wanted_shape(system: System) -> None:
    metadata = {"dropsight_aspect_ratio": "16:9", "dropsight_image_size": "2K", "dropsight_prompt": "In ink."}
    task = await system.answered("harbour.txt", b"A harbour at dawn.", dropsight_recipe="draw", **metadata)
    files = await system.published(task)
    assert set(files) == {"png", "task.json"}
    assert size_of(files["png"]) == (448, 252)
    [(model, body)] = system.model.asked
    assert model == "gemini-3.1-flash-image"
    config = json.loads(json.dumps(body["generationConfig"]).replace("aspect_ratio", "aspectRatio"))
    assert config["responseModalities"] == ["IMAGE"]
    assert "16:9" in json.dumps(config)
    assert "2K" in json.dumps(config)
    assert body["contents"][0]["parts"][-1] == {"text": "In ink."}
    assert answers(task) == ["gemini-3.1-flash-image made a picture."]
    assert task.usage is not None
    assert 0.05 < float(str(task.usage["cost"])) < 0.2
    assert "iVBOR" not in task.model_dump_json()


async def test_a_picture_is_drawn_anew(system: System) -> None:
    task = await system.answered("anew.png", SAMPLES / "picture.png", dropsight_recipe="draw")
    assert task.status == "completed", task.error
    assert "png" in await system.published(task)


async def test_several_pictures_are_numbered(system: System) -> None:
    system.model.script.append({"parts": [picture("red"), {"text": "and"}, picture("blue"), picture("green", "JPEG")]})
    task = await system.answered("three.txt", b"Three squares.", dropsight_recipe="draw")
    assert set(await system.published(task)) == {"png", "2.png", "3.jpg", "task.json"}
    assert answers(task) == ["gemini-3.1-flash-image made 3 pictures."]


async def test_a_picture_of_many_megabytes_is_published_as_it_came(system: System) -> None:
    large = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * (6 << 12)
    blob = {"mimeType": "image/png", "data": base64.b64encode(large).decode()}
    system.model.script.append({"parts": [{"inlineData": blob}]})
    task = await system.answered("large.txt", b"A crowd.", dropsight_recipe="draw")
    assert (await system.published(task))["png"] == large
    assert len(system.model.asked) == 1


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (
            {"parts": [{"text": "I cannot draw\nthis person."}]},
            "empty_answer",
            "Gemini made no picture. It answered: “I cannot draw this person.”",
        ),
        (
            {"finish_reason": "IMAGE_SAFETY"},
            "content_policy_violation",
            "No picture was made. Gemini stopped before the first word (IMAGE_SAFETY: the safety settings for images).",
        ),
        (
            {"block_reason": "PROHIBITED_CONTENT"},
            "content_policy_violation",
            "No picture was made. Gemini blocked the prompt (PROHIBITED_CONTENT). Nothing was answered.",
        ),
    ],
)
async def test_an_answer_without_a_picture_fails_with_its_reason(
    system: System, answer: dict[str, Any], code: str, message: str
) -> None:
    system.model.script.append(answer)
    task = await system.answered(f"none-{len(message)}.txt", b"A portrait.", dropsight_recipe="draw")
    assert task.error is not None
    assert (task.error.code, task.error.message) == (code, message)
    assert set(await system.published(task)) <= {"task.json"}
    assert len(system.model.asked) == 1


async def test_no_picture_without_a_reason_is_asked_for_once_more(system: System) -> None:
    system.model.script.append({"finish_reason": "NO_IMAGE"})
    task = await system.answered("second-try.txt", b"A kite.", dropsight_recipe="draw")
    assert "png" in await system.published(task)
    first, second = (body for _, body in system.model.asked)
    assert first == second
    assert warned(task) == ()


async def test_a_film_is_refused_with_the_recipes_that_take_it(system: System) -> None:
    task = await system.answered("film.mp4", SAMPLES / "clip.mp4", dropsight_recipe="draw")
    assert task.error is not None
    assert "draw takes text or image, this is video. For video there are " in task.error.message
    assert system.model.asked == []


async def test_a_request_has_a_picture_made_of_its_words(system: System) -> None:
    model, metadata = "gemini-3-pro-image", {"dropsight-aspect-ratio": "9:16"}
    task = await system.requested("drawn", model=model, recipe="draw", messages=HI, metadata=metadata)
    assert task.status == "completed", task.error
    assert size_of((await system.published(task))["png"]) == (252, 448)
    refused = await system.requested("streamed", model=model, recipe="draw", messages=HI, stream=True)
    assert refused.error is not None
    assert "comes as a whole: leave out stream" in refused.error.message
