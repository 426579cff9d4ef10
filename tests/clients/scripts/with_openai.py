"""An older openai-python than the project's own tests use: transcripts, subtitles, translation, chat and files."""

import os
from itertools import pairwise
from pathlib import Path

import srt
import webvtt
from openai import OpenAI

URL, KEY, SAMPLES = os.environ["DROPSIGHT_URL"], os.environ["DROPSIGHT_KEY"], Path(os.environ["DROPSIGHT_SAMPLES"])
client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=90)

for sample in ("speech.wav", "speech.mp3", "speech.flac", "speech.m4a", "speech.ogg"):
    with (SAMPLES / sample).open("rb") as file:
        answer = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert answer.text, sample

speech = SAMPLES / "speech.mp3"
subtitles = list(srt.parse(client.audio.transcriptions.create(model="whisper-1", file=speech, response_format="srt")))
assert subtitles
assert all(subtitle.end > subtitle.start for subtitle in subtitles)
assert all(before.end <= after.start for before, after in pairwise(subtitles))
assert all(len(line) <= 42 for subtitle in subtitles for line in subtitle.content.splitlines())
captions = webvtt.from_string(client.audio.transcriptions.create(model="whisper-1", file=speech, response_format="vtt"))
assert len(captions) == len(subtitles)
verbose = client.audio.transcriptions.create(model="whisper-1", file=speech, response_format="verbose_json")
assert verbose.segments
assert all(0 <= segment.start <= segment.end <= verbose.duration + 1 for segment in verbose.segments)
timed = client.audio.transcriptions.create(
    model="whisper-1", file=speech, response_format="verbose_json", timestamp_granularities=["word"]
)
assert timed.words
assert all(0 <= word.start <= word.end <= timed.duration + 1 for word in timed.words)
assert all(before.end <= after.start for before, after in pairwise(timed.words))
assert client.audio.translations.create(model="whisper-1", file=speech).text

chat = client.chat.completions.create(model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello?"}])
assert chat.choices[0].message.content
several = client.chat.completions.create(
    model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello?"}], n=2
)
assert [choice.index for choice in several.choices] == [0, 1]
with client.chat.completions.stream(
    model="gemini-3.8-flash", messages=[{"role": "user", "content": "Hello?"}]
) as stream:
    assert stream.get_final_completion().choices[0].message.content
uploaded = client.files.create(file=SAMPLES / "report.pdf", purpose="user_data")
parts = [{"type": "file", "file": {"file_id": uploaded.id}}, {"type": "text", "text": "What is this?"}]
about = client.chat.completions.create(model="gemini-3.8-flash", messages=[{"role": "user", "content": parts}])
assert "PDF" in about.choices[0].message.content
client.files.delete(uploaded.id)
assert any(model.id == "gemini-3.8-flash" for model in client.models.list())
