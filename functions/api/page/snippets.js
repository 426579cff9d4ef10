// "This call": the same work as code, with the real values of this task. The key stays a placeholder.

import { copy, h } from "./dom.js";

export function snippets(task, session) {
  const api = location.origin;
  const isDropped = task.source?.startsWith("gs://");
  const about = isDropped ? task.source : "gs://YOUR-INBOX/YOUR-FILE";
  const inbox = session.inboxes[0]?.inbox ?? "YOUR-INBOX";
  const name = about.split("/").pop();
  const recipe = task.recipe && task.recipe !== "request" ? task.recipe : null;
  const body = { model: task.model, messages: [{ role: "user", content: [{ type: "file_url", file_url: { url: about } }] }], ...(recipe ? { recipe } : {}) };
  const blocks = {
    "curl": `# Look this task up
curl -s ${api}/v1/tasks/${task.id} -H "Authorization: Bearer $DROPSIGHT_API_KEY"

# Ask the same again
curl -s ${api}/v1/llm/generations \\
  -H "Authorization: Bearer $DROPSIGHT_API_KEY" -H 'Content-Type: application/json' \\
  -d ${quoted(JSON.stringify(body))}`,
    "Python, with the openai package": `import os
import openai

client = openai.OpenAI(api_key=os.environ["DROPSIGHT_API_KEY"], base_url="${api}/v1")
task = client.get("/tasks/${task.id}", cast_to=object, options={"params": {"wait": 30}})
print(task["status"], task["results"][0]["choices"][0]["message"]["content"])`,
    "gcloud storage": `gcloud storage cp ${quoted(name)} gs://${inbox}/${recipe ? ` --custom-metadata=dropsight-recipe=${recipe}` : ""}`,
    "A receiver of callbacks": `# Send "callback_url": "https://…" with the request; the task is posted there when it has ended.
import http.server, os
from standardwebhooks import Webhook


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        task = Webhook(os.environ["CALLBACK_SECRET"]).verify(body, dict(self.headers.items()))
        print(task["id"], task["status"])  # ${task.id} ${task.status}
        self.send_response(204)
        self.end_headers()


http.server.HTTPServer(("", 9000), Receiver).serve_forever()`,
  };
  return Object.entries(blocks).map(([title, text]) => h("section", { class: "snippet" },
    h("h3", {}, title), h("button", { type: "button", class: "plain", onclick: (event) => copy(text, event.target), "aria-label": `Copy: ${title}` }, "Copy"),
    h("pre", { tabindex: "0", "aria-label": title }, text)));
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
