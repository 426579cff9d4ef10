// Vercel's ai with @ai-sdk/openai-compatible: a text, a stream, an object by a schema, a tool, and a picture.
import assert from "node:assert";
import fs from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { DROPSIGHT_URL, DROPSIGHT_KEY, DROPSIGHT_SAMPLES } = process.env;
const dropsight = createOpenAICompatible({
  name: "dropsight", baseURL: `${DROPSIGHT_URL}/v1`, apiKey: DROPSIGHT_KEY, includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = dropsight("gemini-3.8-flash");

const answer = await generateText({ model, prompt: "Hello?" });
assert(answer.text);
assert(answer.usage.totalTokens > 0);
const stream = streamText({ model, prompt: "Hello?" });
let text = "";
for await (const piece of stream.textStream) text += piece;
assert(text);
assert((await stream.usage).totalTokens > 0);
assert.equal(await stream.finishReason, "stop");
const schema = z.object({ name: z.string(), age: z.number().min(0).max(99) });
const { object } = await generateObject({ model, schema, prompt: "Ada Lovelace died at the age of 36." });
assert.equal(typeof object.age, "number");
const weather = tool({
  description: "Return the weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `Rain in ${city}.`,
});
const withTool = await generateText({
  model, prompt: "What is the weather in Ulm?", tools: { weather }, stopWhen: stepCountIs(3),
});
assert(withTool.steps.length > 1);
const image = fs.readFileSync(`${DROPSIGHT_SAMPLES}/photo.jpg`);
const seen = await generateText({
  model, messages: [{ role: "user", content: [{ type: "text", text: "What?" }, { type: "image", image }] }],
});
assert.match(seen.text, /JPEG/);
