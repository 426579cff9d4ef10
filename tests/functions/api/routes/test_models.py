"""How a model of the catalogue is shown, in this API's form and in OpenAI's."""

from __future__ import annotations

import pytest

from functions.api.routes.models import as_openai, describe_model
from shared.domain.models.catalogue import Model, catalogue


@pytest.mark.parametrize("model", catalogue().models, ids=lambda model: model.id)
def test_every_model_is_shown_with_its_limits_and_in_the_form_of_openai(model: Model) -> None:
    shown, listed = describe_model(model), as_openai(model)
    assert shown["id"] == listed["id"] == model.id
    assert shown["limits"] == {"input_tokens": model.input_tokens, "output_tokens": model.output_tokens}
    assert listed["object"] == "model"
    assert isinstance(listed["created"], int)


def test_an_unknown_month_of_update_is_told_as_zero() -> None:
    model = catalogue().models[0]
    assert as_openai(model.model_copy(update={"updated": None}))["created"] == 0
    assert as_openai(model.model_copy(update={"updated": "2026-02"}))["created"] == 1769904000
