// What each recipe does, in a person's words, and what it still needs to know.

const ABOUT = {
  "transcribe": ["Transcribe", "Every word that is spoken, as text."],
  "transcribe-timed": ["Transcribe with times and speakers", "Who says what, and when. Makes subtitles too; click a line to hear it."],
  "describe-audio": ["Describe the sounds", "What is heard, who speaks and how, and the mood."],
  "segment": ["Transcribe one part", "Only the words between two times."],
  "describe-image": ["Describe the picture", "What it shows, the text in it, and its mood."],
  "caption": ["Write a caption", "One line for the picture."],
  "detect": ["Find things", "Boxes around everything, or around what you name."],
  "segment-image": ["Outline things", "Masks that follow the outline of each thing."],
  "summarise": ["Summarise", "Purpose, main points, figures and dates."],
  "transcribe-document": ["Copy the document as Markdown", "Headings, lists and tables, nothing left out."],
  "transcribe-document-html": ["Copy the document as HTML", "With its layout and its tables' spans."],
  classify: ["List a bundle's documents", "The type, title and pages of each."],
  "split-bundle": ["Cut a bundle into documents", "A PDF of its own for each document."],
  "describe-video": ["Describe the video", "What happens, in order, with times."],
  "ask": ["Ask a question", "Anything about the file, in your own words."],
  "extract": ["Extract data", "Rows and fields as you describe them; a table and a .csv."],
  speak: ["Read aloud", "The text as speech, in a voice of your choice."],
  embed: ["Make vectors", "Numbers by which texts, pages and pictures with a similar meaning are found."],
  draw: ["Draw a picture", "Of what a text describes, or from another picture."],
  "compare": ["Compare files", "What they share, where they differ. Small files, two or more."],
};

export function labelOf(recipe) {
  return ABOUT[recipe.name]?.[0] ?? recipe.name;
}

export function aboutOf(recipe) {
  const outputs = recipe.outputs.map((ending) => `.${ending}`).join(" ");
  return `${ABOUT[recipe.name]?.[1] ?? recipe.prompt.slice(0, 140)} Takes ${recipe.takes.join(", ")}; makes ${outputs}.`;
}

export const familyOf = (file) => {
  const type = file.type || guess(file.name);
  if (type === "application/pdf") return "pdf";
  const family = type.split("/")[0];
  return ["audio", "image", "video"].includes(family) ? family : "text";
};

const ENDINGS = {
  pdf: "application/pdf", mp3: "audio/mpeg", wav: "audio/wav", m4a: "audio/mp4", flac: "audio/flac", ogg: "audio/ogg", aac: "audio/aac",
  mp4: "video/mp4", mov: "video/quicktime", webm: "video/webm", mkv: "video/x-matroska", jpg: "image/jpeg", jpeg: "image/jpeg",
  png: "image/png", webp: "image/webp", heic: "image/heic", md: "text/markdown", csv: "text/csv", html: "text/html", json: "application/json",
};

export function guess(name) {
  return ENDINGS[name.split(".").pop().toLowerCase()] ?? "text/plain";
}

// A JSON Schema for "name, date: number, …": one object per row, with these fields.
export function schemaOf(text) {
  const plain = text.trim();
  if (plain.startsWith("{")) return JSON.parse(plain);
  const properties = {};
  for (const part of plain.split(/[,\n]/)) {
    const [name, kind] = part.split(":").map((word) => word.trim());
    if (name) properties[name] = { type: kind === "number" ? ["number", "null"] : ["string", "null"] };
  }
  return { type: "array", items: { type: "object", properties, required: Object.keys(properties) } };
}
