"""The commands' own client of a running system: files go in by Cloud Storage, tasks are asked of the API."""

from __future__ import annotations

import mimetypes
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx2

from functions.local.endpoints import Endpoints

Json = dict[str, object]


class Client:
    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._http = httpx2.Client(
            base_url=endpoints.api, headers={"Authorization": f"Bearer {endpoints.api_key}"}, timeout=90
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def drop(self, file: Path, name: str, metadata: dict[str, str]) -> str:
        """Upload one file into the inbox; returns its `gs://` name."""
        os.environ["STORAGE_EMULATOR_HOST"] = self.endpoints.storage
        from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

        blob = storage.Client(project="dropsight-local").bucket(self.endpoints.inbox).blob(name)
        blob.metadata = metadata or None
        blob.upload_from_filename(str(file), content_type=mimetypes.guess_type(file.name)[0])
        return f"gs://{self.endpoints.inbox}/{name}"

    def task(self, task_id: str) -> Json:
        return self._get(f"/v1/tasks/{quote(task_id, safe='')}")

    def tasks(self, **filters: str | int | None) -> list[Json]:
        """The newest tasks; `filters` as the API's query parameters."""
        wanted = {name: value for name, value in filters.items() if value is not None}
        return cast(list[Json], self._get("/v1/tasks", wanted)["data"])

    def task_of(self, uri: str, *, patience: float = 10.0) -> Json:
        """The task of an object that was just dropped."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if found := self.tasks(object=uri, limit=1):
                return found[0]
            time.sleep(0.05)
        raise SystemExit(f"no task for {uri} after {patience:g} s: see what `up` prints")

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> Json:
        try:
            answer = self._http.get(path, params=parameters)
        except httpx2.TransportError as error:
            raise SystemExit(f"the api does not answer at {self.endpoints.api}: {type(error).__name__}") from error
        body = answer.json()
        if answer.is_error:
            error_body = body.get("error", {})
            raise SystemExit(f"{answer.status_code} {error_body.get('code')}: {error_body.get('message')}")
        return cast(Json, body)
