"""For schemathesis: the functions-framework itself answers paths with line breaks, before the api sees them."""

from __future__ import annotations

from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def filter_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, object] | None) -> bool:
    return all(unquote(str(value)).isprintable() for value in (path_parameters or {}).values())
