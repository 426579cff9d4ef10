// openai-node: a transcript, subtitles, a streamed transcript, chat, a streamed chat, and a file by its id.
import assert from "node:assert";
import fs from "node:fs";
import OpenAI from "openai";

const { DROPSIGHT_URL, DROPSIGHT_KEY, DROPSIGHT_SAMPLES } = process.env;
const client = new OpenAI({ baseURL: `${DROPSIGHT_URL}/v1`, apiKey: DROPSIGHT_KEY, timeout: 90_000 });
const speech = () => fs.createReadStream(`${DROPSIGHT_SAMPLES}/speech.mp3`);
const model = "gemini-3.8-flash";

assert((await client.audio.transcriptions.create({ model: "whisper-1", file: speech() })).text);
const srt = await client.audio.transcriptions.create({ model: "whisper-1", file: speech(), response_format: "srt" });
assert.match(srt, /^1\n00:00:00,000 --> /);
let done = "";
for await (const event of await client.audio.transcriptions.create({
  model: "gpt-4o-transcribe", file: speech(), stream: true,
})) {
  if (event.type === "transcript.text.done") done = event.text;
}
assert(done);

const messages = [{ role: "user", content: "Hello?" }];
assert((await client.chat.completions.create({ model, messages })).choices[0].message.content);
const indexes = new Set();
for await (const chunk of await client.chat.completions.create({ model, messages, n: 2, stream: true })) {
  for (const choice of chunk.choices) indexes.add(choice.index);
}
assert.deepEqual([...indexes], [0, 1]);
let text = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  text += chunk.choices[0].delta.content ?? "";
}
assert(text);
const file = await client.files.create({
  file: fs.createReadStream(`${DROPSIGHT_SAMPLES}/report.pdf`), purpose: "user_data",
});
const about = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }, { type: "text", text: "What?" }] }],
});
assert.match(about.choices[0].message.content, /PDF/);
await client.files.delete(file.id);
