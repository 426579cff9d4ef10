"""What a dropped object asks: the recipe that fits what it truly is, about the file handed over to Gemini."""

from __future__ import annotations

from functions.generate.asking import stand_by
from functions.generate.holding import Holding
from functions.generate.inputs import examine, hand_over, live_object
from shared.cloud.object_stream import SourceVanished
from shared.domain.errors import TransientFailure
from shared.domain.question import Question
from shared.domain.recipe import BUILT_IN, Dropped, Input, choose, request
from shared.wiring import Generate


async def question_of_object(road: Generate, held: Holding) -> Question:
    source = held.task.source
    try:
        found = await live_object(road, source)
        facts = await examine(road, found)
        recipe = choose(BUILT_IN, Dropped(name=found.name, size=found.size, family=facts.media_type.family))
        held.model = recipe.model
        await stand_by(road, recipe.model)
        file = await hand_over(road, held, found, facts)
        held.progress = 50
        await live_object(road, source)
    except SourceVanished as error:
        await live_object(road, source)
        raise TransientFailure("the object could not be read") from error
    asked = recipe.asked[0]
    handed = Input(uri=file.uri, mime_type=file.mime_type, family=facts.media_type.family)
    return Question(model=recipe.model, body=request(recipe, asked, asked.prompt, [handed]), ran=recipe.ran())
