"""A model's name is believed only once it is known: to the catalogue, or else to the service; and its end is told."""

from __future__ import annotations

import base64
import json

import pytest

from local.standins.faults import Fault
from local.standins.gemini.models import catalogue as served
from shared.domain.models.catalogue import catalogue
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import misfits
from tests.functions.generate.conftest import SAMPLES, System, answers, warned

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = SAMPLES / "notes.txt"
LITE = "gemini-3.5-flash-lite"
SOUND = f"data:audio/flac;base64,{base64.b64encode((SAMPLES / 'speech.flac').read_bytes()).decode()}"


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that the service has and the catalogue does not."""
    known = served()["gemini-2.5-flash"]
    monkeypatch.setitem(served(), "gemini-9-flash", known.model_copy(update={"id": "gemini-9-flash"}))
    return "gemini-9-flash"


@pytest.fixture
def embedding(monkeypatch: pytest.MonkeyPatch) -> str:
    known = served()["gemini-embedding-001"]
    monkeypatch.setitem(served(), "gemini-9-embedding", known.model_copy(update={"id": "gemini-9-embedding"}))
    return "gemini-9-embedding"


def count(system: System, what: str) -> int:
    return int(system.tap.ledger.stats().get("gemini", {}).get(what, 0))


async def test_a_name_that_nobody_knows_fails_before_anything_is_uploaded_and_names_others(system: System) -> None:
    uploads, looked_up = count(system, "uploads"), count(system, "models.get")
    for number in range(3):
        task = await system.answered(f"models/{number}.txt", NOTES, dropsight_model="gemini-2.5-falsh")
        assert task.error is not None
        assert task.error.code == "model_not_found"
        assert "'gemini-2.5-falsh'" in task.error.message
        assert "gemini-3.8-flash or gemini-" in task.error.message
    assert count(system, "uploads") == uploads
    assert count(system, "models.get") == looked_up + 1
    system.clock.advance(301)
    await system.answered("models/later.txt", NOTES, dropsight_model="gemini-2.5-falsh")
    assert count(system, "models.get") == looked_up + 2


async def test_a_model_that_is_newer_than_the_catalogue_is_asked(system: System, newer: str) -> None:
    task = await system.answered("models/newer.txt", NOTES, dropsight_model=newer)
    assert answers(task)
    assert system.model.asked[0][0] == task.model == newer
    assert warned(task) == ()


@pytest.mark.parametrize("name", ["gemini-robotics-er-1.5-preview", "gemma-3-27b-it", "gemini-exp-1206"])
async def test_a_name_that_follows_no_documented_pattern_is_asked_too(
    system: System, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(served(), name, served()["gemini-2.5-flash"].model_copy(update={"id": name}))
    task = await system.answered(f"models/{name}.txt", NOTES, dropsight_model=name)
    assert answers(task)
    assert system.model.asked[0][0] == task.model == name


async def test_a_file_of_which_nothing_says_which_model_goes_to_the_catalogues_default(system: System) -> None:
    task = await system.answered("models/default.txt", NOTES)
    assert answers(task)
    assert system.model.asked[0][0] == task.model == catalogue().default


async def test_a_parameter_that_the_model_does_not_take_is_refused_before_anything_is_uploaded(system: System) -> None:
    uploads = count(system, "uploads")
    task = await system.requested("penalty", model=LITE, audio_url=SOUND, presence_penalty=0.5)
    assert task.error is not None
    assert (task.error.code, count(system, "uploads"), system.model.asked) == ("invalid_manifest", uploads, [])
    assert "does not take presence_penalty" in task.error.message


async def test_a_parameter_that_only_the_answering_successor_refuses_is_refused_too(system: System) -> None:
    # 3.5 Flash itself takes it; since October 2026 3.6 Flash answers, which does not.
    task = await system.requested("ended", model="gemini-3.5-flash", audio_url=SOUND, presence_penalty=0.5)
    assert task.error is not None
    assert (task.error.code, system.model.asked) == ("invalid_manifest", [])
    assert "does not take presence_penalty" in task.error.message
    recipe = Recipe(
        name="one", takes=("text",), prompt="Hi", model="gemini-3.5-flash", parameters={"frequency_penalty": 1}
    )
    assert list(misfits(recipe, ["text"])) == []
    dropped = await system.answered("models/ended.txt", NOTES, dropsight_model="gemini-3.5-flash")
    assert answers(dropped)
    assert warned(dropped) == (
        "Model gemini-3.5-flash ended on 2026-10-08. gemini-3.6-flash answers in its place; use gemini-3.6-flash.",
    )


async def test_a_recipes_parameters_are_held_against_the_model_too(system: System) -> None:
    task = await system.answered("models/warm.txt", NOTES, dropsight_temperature="0.3")
    assert answers(task)
    assert warned(task) == (f"Model {LITE} takes no notice of temperature.",)
    recipe = Recipe(name="one", takes=("text",), prompt="Hi", model=LITE, parameters={"presence_penalty": 1})
    assert [(misfit.field, misfit.code) for misfit in misfits(recipe, ["text"])] == [("parameters", "invalid_param")]


async def test_a_parameter_that_the_model_takes_no_notice_of_is_a_warning(system: System) -> None:
    task = await system.requested("ignored", model=LITE, audio_url=SOUND, temperature=0.2, presence_penalty=0)
    assert answers(task)
    assert warned(task) == (f"Model {LITE} takes no notice of temperature.",)


async def test_a_new_model_that_only_embeds_is_refused(system: System, embedding: str) -> None:
    uploads = count(system, "uploads")
    task = await system.answered("models/embeds.txt", NOTES, dropsight_model=embedding)
    assert task.error is not None
    assert (task.error.code, count(system, "uploads")) == ("model_not_support_capability", uploads)
    assert "Use gemini-" in task.error.message


async def test_a_service_that_cannot_be_asked_about_a_name_delays_the_task(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="GET /v1beta/models/", status=503, times=1)])
    task = await system.answered("models/away.txt", NOTES, dropsight_model="gemini-7-flash")
    assert (task.attempts, task.outages) == (0, 1)
    assert task.error is not None
    assert task.error.code == "model_not_found"


async def test_a_request_for_a_name_that_nobody_knows_fails_likewise(system: System) -> None:
    task = await system.requested(
        "unknown", model="gemini-2.5-falsh-lite", messages=[{"role": "user", "content": "Hi"}]
    )
    assert task.error is not None
    assert task.error.code == "model_not_found"
    assert system.model.asked == []


async def test_a_retired_model_names_its_successor(system: System) -> None:
    task = await system.answered("models/retired.txt", NOTES, dropsight_model="gemini-1.5-pro-002")
    assert task.error is not None
    assert task.error.code == "model_not_found"
    assert "Use gemini-3.8-flash" in task.error.message


async def test_a_model_past_its_end_is_a_warning_of_the_task(system: System) -> None:
    task = await system.answered("models/going.txt", NOTES, dropsight_model="gemini-3.7-flash")
    assert answers(task)
    assert task.warnings == (
        "Model gemini-3.7-flash ended on 2026-10-08. gemini-3.8-flash answers in its place; use gemini-3.8-flash.",
        "model_rerouted: gemini-3.7-flash was asked for, and gemini-3.8-flash answered.",
    )
    assert json.loads((await system.published(task))["task.json"])["warnings"] == list(task.warnings)


async def test_a_model_that_was_shut_down_meanwhile_fails_with_its_successor(system: System) -> None:
    system.tap.faults.add([Fault(service="gemini", match="streamGenerateContent", status=404, times=1)])
    task = await system.answered("models/shut-down.txt", NOTES, dropsight_model="gemini-3.7-flash")
    assert task.error is not None
    assert task.error.code == "model_not_found"
    assert "use gemini-3.8-flash." in task.error.message


@pytest.mark.parametrize("call", ["POST /upload", "GET /v1beta/files/"])
async def test_a_file_that_gemini_does_not_find_is_uploaded_again_and_no_model_is_blamed(
    system: System, call: str
) -> None:
    system.model.set_model({"processing": "1s"})
    system.tap.faults.add([Fault(service="gemini", match=call, status=404, times=1)])
    task = await system.answered(f"models/no-file-{call[:3]}.txt", NOTES)
    assert task.error is None
    assert len(system.model.asked) == 1
