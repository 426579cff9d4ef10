"""LiteLLM as a client of an OpenAI-compatible server: chat, stream and transcription."""

import os
from pathlib import Path

import litellm

URL, KEY, SAMPLES = os.environ["DROPSIGHT_URL"], os.environ["DROPSIGHT_KEY"], Path(os.environ["DROPSIGHT_SAMPLES"])
server = {"api_base": f"{URL}/v1", "api_key": KEY, "timeout": 90}
question = [{"role": "user", "content": "Hello?"}]

answer = litellm.completion(model="openai/gemini-3.8-flash", messages=question, **server)
assert answer.choices[0].message.content
chunks = list(litellm.completion(model="openai/gemini-3.8-flash", messages=question, stream=True, **server))
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
with (SAMPLES / "speech.mp3").open("rb") as file:
    assert litellm.transcription(model="openai/whisper-1", file=file, **server).text
