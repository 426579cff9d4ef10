"""Probing in a child process with a limit on its time and memory: foreign bytes may hang or crash the libraries that
read them, and must not take the stand-in with them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from local.standins.gemini.media import Media, kind_of
from local.standins.gemini.probe_text import plain

_SECONDS = 20.0
_MEMORY_BYTES = 2 << 30
_ROOT = Path(__file__).resolve().parents[3]


class Prober:
    """One child, started when the first medium comes and again after one that ended it. Its methods block."""

    def __init__(self, seconds: float = _SECONDS, memory_bytes: int = _MEMORY_BYTES) -> None:
        self._seconds, self._memory_bytes = seconds, memory_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._alone = threading.Lock()

    def is_quick(self, mime_type: str) -> bool:
        """Return whether a small file of this type is read without the child."""
        return kind_of(mime_type) in (None, "text")

    def of_file(self, path: Path, mime_type: str) -> Media:
        """Return what the file holds. What cannot be decoded, or not in time, comes back with `error`."""
        kind = kind_of(mime_type)
        if self.is_quick(mime_type):
            with path.open("rb") as content:
                return plain(content, mime_type)
        with self._alone:
            answer = self._asked({"path": str(path), "mime_type": mime_type})
        if answer is not None:
            return Media.model_validate_json(answer)
        error = f"The {kind} could not be decoded: it took too long, or ended what read it."
        return Media(mime_type=mime_type, size=path.stat().st_size, kind=kind, error=error)

    def of_bytes(self, data: bytes, mime_type: str) -> Media:
        if self.is_quick(mime_type):
            return plain(io.BytesIO(data), mime_type)
        with tempfile.NamedTemporaryFile(prefix="gemini-inline-") as file:
            file.write(data)
            file.flush()
            return self.of_file(Path(file.name), mime_type)

    def close(self) -> None:
        with self._alone:
            self._end()

    def _asked(self, question: dict[str, str]) -> bytes | None:
        """The child's answer, a line of JSON; None where it hung, crashed or had not enough memory."""
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        watchdog = threading.Timer(self._seconds, child.kill)
        watchdog.start()
        try:
            child.stdin.write(json.dumps(question).encode() + b"\n")
            child.stdin.flush()
            answer = child.stdout.readline()
        except OSError:
            answer = b""
        finally:
            watchdog.cancel()
        if answer.endswith(b"\n"):
            return answer
        self._end()
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            environment = {"PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, sys.path)]), "LANG": "C.UTF-8"}
            self._child = subprocess.Popen(
                [sys.executable, "-m", "local.standins.gemini.probe_child", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    # What the child did not take from the pipe goes with it.
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._child = None
