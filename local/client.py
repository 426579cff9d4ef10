"""The commands' client of a running system: it uploads files to Cloud Storage and looks tasks up over the API."""

from __future__ import annotations

import mimetypes
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from urllib.parse import quote

import httpx2

from local.endpoints import PROJECT
from local.target import Target

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

Json = dict[str, object]
_LONGEST_WAIT = 60
"""Seconds: the most that the API waits for a task's end."""


class Client:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = httpx2.Client(
            base_url=target.api, headers={"Authorization": f"Bearer {target.api_key}"}, timeout=90
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def drop_file(self, file: Path, name: str, metadata: dict[str, str], inbox: str | None = None) -> str:
        """Upload a file into a bucket, the system's inbox by default, and return its `gs://` name."""
        bucket = inbox or self._target.inbox
        if bucket is None:
            raise SystemExit("which inbox? Set DROPSIGHT_INBOX to its bucket, or give --to gs://BUCKET/PATH")
        blob = self._storage().bucket(bucket).blob(name)
        blob.metadata = metadata or None
        blob.upload_from_filename(str(file), content_type=mimetypes.guess_type(file.name)[0])
        return f"gs://{bucket}/{name}"

    def _storage(self) -> storage.Client:
        """Return a client of the stand-in, or of Cloud Storage with Google's default credentials."""
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

        if self._target.storage is not None:
            anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
            options = {"api_endpoint": self._target.storage}
            return storage.Client(project=PROJECT, credentials=anonymous, client_options=options)
        try:
            return storage.Client()
        except (DefaultCredentialsError, OSError) as error:
            raise SystemExit(f"Google Cloud: {error}. Run `gcloud auth application-default login`.") from error

    def get_task(self, task_id: str, *, wait: float | None = None) -> Json:
        """Return the task; with `wait`, once it has ended or after that many seconds, 60 at most."""
        parameters = None if wait is None else {"wait": max(1, min(int(wait), _LONGEST_WAIT))}
        return self._get(f"/v1/tasks/{quote(task_id, safe='')}", parameters)

    def list_tasks(self, **filters: str | int | None) -> list[Json]:
        """Return the newest tasks; `filters` are the API's query parameters."""
        parameters = {name: value for name, value in filters.items() if value is not None}
        return cast(list[Json], self._get("/v1/tasks", parameters)["data"])

    def wait_for_task_of(self, uri: str) -> Json:
        """Return the task of an object that was just dropped; exit if none appears."""
        patience, pause = (120.0, 1.0) if self._target.remote else (10.0, 0.05)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if tasks := self.list_tasks(object=uri, limit=1):
                return tasks[0]
            time.sleep(pause)
        where = (
            "the log of ingest, and whether the key may see this bucket" if self._target.remote else "what `up` prints"
        )
        raise SystemExit(f"no task for {uri} after {patience:g} s: see {where}")

    def get_usage(self, **parameters: str | None) -> Json:
        """Return what tasks used and cost; `parameters` are the API's query parameters."""
        return self._get("/v1/usage", {name: value for name, value in parameters.items() if value is not None})

    def get_status(self) -> Json:
        return self._get("/v1/status")

    def pause_or_resume(self, action: Literal["pause", "resume"], inbox: str | None) -> Json:
        """Pause or resume the whole system or an inbox; return the status."""
        return self._send("POST", f"/v1/{action}", json={"inbox": inbox} if inbox else {})

    def _get(self, path: str, parameters: dict[str, Any] | None = None) -> Json:
        return self._send("GET", path, params=parameters)

    def _send(self, method: str, path: str, **request: Any) -> Json:
        try:
            answer = self._http.request(method, path, **request)
        except httpx2.TransportError as error:
            raise SystemExit(f"the api does not answer at {self._target.api}: {type(error).__name__}") from error
        try:
            body = answer.json()
        except ValueError:
            # Such as Cloud Run's own page where the API is private to IAM.
            raise SystemExit(f"{self._target.api} answers {answer.status_code}, not as Dropsight's API does") from None
        if answer.is_error:
            error_body = body.get("error", {})
            raise SystemExit(f"{answer.status_code} {error_body.get('code')}: {error_body.get('message')}")
        return cast(Json, body)
