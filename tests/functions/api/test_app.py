"""The application is built from the settings: CORS only for the origins that are named."""

from __future__ import annotations

from typing import cast

from functions.api.app import _middleware


def test_cors_is_off_unless_origins_are_named() -> None:
    assert len(_middleware(())) == 1
    cors = _middleware(("https://app.example",))[0]
    assert cors.kwargs["allow_origins"] == ["https://app.example"]
    assert "X-Request-Id" in cast(list[str], cors.kwargs["expose_headers"])
