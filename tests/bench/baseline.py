"""The documented pattern, for `make bench`: download to /tmp, upload the path, poll, ask, write a document.

As in Google's guides, clients are made at module level, the function is synchronous, and each delivery has a folder of
its own. `look_up` answers with a task's document, as a function beside it would.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import functions_framework
from cloudevents.http.event import CloudEvent
from flask import Request, jsonify
from flask.typing import ResponseReturnValue
from google import genai
from google.cloud import firestore, storage  # type: ignore[attr-defined,unused-ignore]

PROJECT = os.environ["GOOGLE_CLOUD_PROJECT"]
storage_client = storage.Client(project=PROJECT)
firestore_client = firestore.Client(project=PROJECT)
gemini_client = genai.Client(api_key=os.environ["GEMINI_API_KEY"])


@functions_framework.cloud_event
def understand(event: CloudEvent) -> None:
    bucket, name = event.data["bucket"], event.data["name"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        storage_client.bucket(bucket).blob(name).download_to_filename(str(path))
        file = gemini_client.files.upload(file=str(path), config={"mime_type": event.data["contentType"]})
    while file.state == genai.types.FileState.PROCESSING:
        time.sleep(1)
        file = gemini_client.files.get(name=file.name or "")
    answer = gemini_client.models.generate_content(
        model="gemini-3.5-flash-lite",
        contents=[file, "Summarise this file."],  # type: ignore[arg-type]
    )
    document = {"name": name, "status": "completed", "answer": answer.text}
    firestore_client.collection("baseline").document(name).set(document)


@functions_framework.http
def look_up(request: Request) -> ResponseReturnValue:
    snapshot = firestore_client.collection("baseline").document(request.args["name"]).get()
    return jsonify(snapshot.to_dict()) if snapshot.exists else ("no such task", 404)
