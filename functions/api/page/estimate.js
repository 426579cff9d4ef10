// What a file will cost to read, before anything is sent; null where that is not known. Tokens by Gemini's own rates:
// 32 for a second of sound, about 300 for one of video, 258 for a page or a tile of a picture. Of a text, one for four
// small letters and blanks, and at most one for any other character: as much as a budget reserves.

import { modelList } from "./api.js";
import { guess } from "./recipes.js";

export async function inputTokens(file, family) {
  if (family === "audio" || family === "video") {
    const seconds = await duration(file, family);
    return seconds === null ? null : { tokens: Math.ceil(seconds * (family === "audio" ? 32 : 300)), seconds };
  }
  if (family === "image") return { tokens: await tiles(file) };
  if (family === "pdf") {
    const pages = await pageCount(file);
    return pages ? { tokens: pages * 258, pages } : null;
  }
  return PLAIN.test(file.type || guess(file.name)) ? await textTokens(file) : null;
}

// The most tokens of a text; those of a large one are estimated from its beginning.
async function textTokens(file) {
  const head = new Uint8Array(await file.slice(0, 1_000_000).arrayBuffer());
  const inWords = /[a-z \t\n\v\f\r]/;
  let tokens = 0;
  for (const character of new TextDecoder(encodingOf(head)).decode(head)) tokens += inWords.test(character) ? 1 / 4 : 1;
  return { tokens: Math.ceil(tokens * (head.length ? file.size / head.length : 1)), isMost: head.length === file.size };
}

function encodingOf([first, second]) {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
}

// Other documents are packed: their size says little about their text.
const PLAIN = /^text\/|[/+](json|xml|yaml|x-yaml|javascript|x-ndjson)$/;

export async function price(id, tokens, family) {
  const rates = ratesOf((await modelList()).find((model) => model.id === id), family);
  return rates && { input: (tokens * rates.input) / 1e6, output: rates.output };
}

// What a million tokens of this kind of file, and of an answer, cost in dollars today; null if nobody knows.
export function ratesOf(model, family = "text") {
  const today = new Date().toISOString().slice(0, 10);
  const holds = (one) => one.tier === "standard" && (one.from ?? "") <= today && today <= (one.until ?? "9");
  const price = model?.prices?.find(holds) ?? model?.price;
  if (!price) return null;
  if (typeof price.input === "number") return { input: (family === "audio" && price.audio_input) || price.input, output: price.output };
  return { input: price.input[family === "pdf" ? "image" : family] ?? price.input.text, output: price.output };
}

function duration(file, family) {
  const player = document.createElement(family);
  const url = URL.createObjectURL(file);
  return new Promise((done) => {
    const finish = (seconds) => {
      URL.revokeObjectURL(url);
      done(Number.isFinite(seconds) ? seconds : null);
    };
    player.preload = "metadata";
    player.onloadedmetadata = () => finish(player.duration);
    player.onerror = () => finish(null);
    setTimeout(() => finish(null), 4000);
    player.src = url;
  });
}

async function tiles(file) {
  try {
    const picture = await createImageBitmap(file);
    const { width, height } = picture;
    picture.close();
    if (width <= 384 && height <= 384) return 258;
    return 258 * Math.ceil(width / 768) * Math.ceil(height / 768);
  } catch {
    return 258;
  }
}

async function pageCount(file) {
  const text = new TextDecoder("latin1").decode(await file.slice(0, 8_000_000).arrayBuffer());
  const counted = text.match(/\/Type\s*\/Page(?![a-zA-Z])/g)?.length ?? 0;
  const stated = Math.max(0, ...[...text.matchAll(/\/Count\s+(\d{1,5})/g)].map((match) => Number(match[1])));
  return Math.max(counted, stated);
}
