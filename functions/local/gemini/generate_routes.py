"""`models/M:METHOD`: generateContent, streamGenerateContent, countTokens."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from functions.local.gemini import models
from functions.local.gemini.behaviour import Behaviour
from functions.local.gemini.body import json_body
from functions.local.gemini.errors import ApiError, unimplemented
from functions.local.gemini.files import FileStore
from functions.local.gemini.models import Version
from functions.local.gemini.wire import read_message
from functions.local.ledger import Ledger, current_call
from shared.clock import Clock

REQUEST_BYTES = 20 * 1024**2


class GenerateRoutes:
    def __init__(self, files: FileStore, clock: Clock, ledger: Ledger) -> None:
        self._files, self._clock, self._ledger = files, clock, ledger

    async def handle(
        self, request: Request, version: Version, name: str, method: str, behaviour: Behaviour
    ) -> Response:
        current_call.get().notes["model"] = name.removeprefix("models/")
        if method not in ("generateContent", "streamGenerateContent", "countTokens"):
            raise unimplemented(method)
        model = models.find(name, version, method if method != "streamGenerateContent" else "generateContent")
        self._ledger.count("gemini", method)
        body = await json_body(request, REQUEST_BYTES)
        if method == "countTokens":
            read_message("CountTokensRequest", body)
            return JSONResponse({"totalTokens": 10})
        read = read_message("GenerateContentRequest", body)
        told = []
        for content in read["contents"]:
            for part in content["parts"]:
                if "fileData" in part:
                    stored = self._files.get(part["fileData"]["fileUri"].rpartition("/")[2])
                    if stored.state(self._clock.time()) != "ACTIVE":
                        raise ApiError(
                            400,
                            f"The File {stored.id} is not in an ACTIVE state and usage is not allowed.",
                            "FAILED_PRECONDITION",
                        )
                    told.append(f"a file of {stored.size} bytes, {stored.mime_type}")
                if "text" in part:
                    told.append(f"the words {part['text']!r}")
        text = behaviour.text or "[Dropsight stand-in model] You sent " + " and ".join(told) + "."
        await self._clock.sleep(behaviour.latency)
        usage = {"promptTokenCount": 10, "candidatesTokenCount": len(text) // 4, "totalTokenCount": 10 + len(text) // 4}
        answer = {
            "candidates": [
                {
                    "content": {"parts": [{"text": text}], "role": "model"},
                    "finishReason": behaviour.finish_reason or "STOP",
                    "index": 0,
                }
            ],
            "usageMetadata": usage,
            "modelVersion": model.id,
            "responseId": "x",
        }
        if method == "generateContent":
            return JSONResponse(answer)

        async def events():  # type: ignore
            yield f"data: {json.dumps(answer)}\r\n\r\n"

        return StreamingResponse(events(), media_type="text/event-stream")
