"""The other end of `Prober`: reads questions, each a line of JSON, and answers each with one. Ends with its parent."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from local.standins.gemini.probe import probe_file


def main() -> None:
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand among the answers.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        answers.write(probe_file(Path(question["path"]), question["mime_type"]).model_dump_json().encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
