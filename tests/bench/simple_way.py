"""The pattern of the public docs: download to /tmp, upload the path, wait, ask, write a document. For `make bench`."""

import os
import tempfile
import time
from pathlib import Path

import functions_framework
from cloudevents.http.event import CloudEvent
from google import genai
from google.cloud import firestore, storage  # type: ignore[attr-defined,unused-ignore]


@functions_framework.cloud_event
def simple_way(event: CloudEvent) -> None:
    bucket, name = event.data["bucket"], event.data["name"]
    path = Path(tempfile.mkdtemp()) / "object"
    blob = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"]).bucket(bucket).blob(name)
    blob.download_to_filename(str(path))
    client = genai.Client(api_key=os.environ["GEMINI_API_KEY"])
    file = client.files.upload(file=str(path), config={"mime_type": event.data["contentType"]})
    while file.state == genai.types.FileState.PROCESSING:
        time.sleep(1)
        file = client.files.get(name=file.name or "")
    model, contents = "gemini-3.5-flash-lite", [file, "Please transcribe this audio file"]
    answer = client.models.generate_content(model=model, contents=contents)  # type: ignore[arg-type]
    documents = firestore.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"]).collection("simple")
    documents.document(name).set({"name": name, "status": "completed", "answer": answer.text})
    path.unlink()
