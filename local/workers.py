"""The functions' processes: each is served by functions-framework, started when first needed, and killed on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 120.0
"""How long a start may take; on a quiet machine it takes two or three."""
_STOP_SECONDS = 1.0
"""How long a function may take to stop before it is killed."""
_DEAD_SECONDS = 30.0
"""How long to wait for a killed process to be gone, which takes longer on a machine that swaps or is stopped."""
_SERVE = """
import ctypes, os, signal, sys
parent, listener = int(sys.argv[1]), int(sys.argv[2])
del sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit()
os.dup2(listener, 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
from functions_framework._cli import _cli
_cli()
"""
"""The program of a function's process.

The functions must end with a local system that is killed, so each asks for a signal at its parent's death
(PR_SET_PDEATHSIG, 1). It asks after exec, since code between fork and exec may hang in a process with gRPC's threads.

gunicorn takes over the socket that the system has bound, as it would from systemd: a port that is merely free could be
taken by others before gunicorn binds it, seconds later."""

Report = Callable[[str, dict[str, object]], None]
"""Takes a function's name and one line of its log, as a JSON object."""


class Worker:
    """One function: a functions-framework master and its gunicorn worker, on a port of 127.0.0.1."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        report: Report,
        *,
        event: bool = False,
        source: Path | None = None,
    ) -> None:
        """`source`: the file that defines the function (default: the project's function of that name)."""
        self.name, self._environment, self._report, self._event = name, environment, report, event
        self._source = source or ROOT / "functions" / name / "main.py"
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""
        self._starting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._last_output = "it said nothing"
        self._frozen = False

    async def url(self) -> str:
        """Return the base URL, after starting the function if it does not run, as from zero instances."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                await self._start()
            self.thaw()
        return self._url

    async def _start(self) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
        self._url = f"http://127.0.0.1:{port}"
        # The SDK prefers GOOGLE_API_KEY, which the shell may have, over the GEMINI_API_KEY that is set here.
        inherited = {name: value for name, value in os.environ.items() if name != "GOOGLE_API_KEY"}
        source = self._source.relative_to(ROOT) if self._source.is_relative_to(ROOT) else self._source
        environment = {
            **inherited,
            "WORKERS": "1",
            # What Cloud Run functions sets too; not K_SERVICE, by which the functions tell the cloud from this machine.
            "K_REVISION": f"{self.name}-00001-dev",
            "K_CONFIGURATION": self.name,
            "LOG_EXECUTION_ID": "true",
            **self._environment,
            "FUNCTION_TARGET": self.name,
            "FUNCTION_SOURCE": str(source),
            "FUNCTION_SIGNATURE_TYPE": "cloudevent" if self._event else "http",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "GRPC_VERBOSITY": "ERROR",
        }
        with listener:
            descriptor = listener.fileno()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _SERVE,
                str(os.getpid()),
                str(descriptor),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=1 << 22,
                pass_fds=(descriptor,),
            )
        self._reading = asyncio.create_task(self._read_log(self._process))
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not _is_listening(port):
                    if self._process.returncode is not None:
                        await self._reading
                        raise RuntimeError(f"the function {self.name} ended at its start: {self._last_output}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            message = f"the function {self.name} does not answer {_START_SECONDS:.0f} s after its start"
            raise RuntimeError(f"{message} (is the machine too slow?): {self._last_output}") from error

    def pids(self) -> list[int]:
        """Return the process ids of the gunicorn workers."""
        if self._process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self._process.pid).children()]
        return []

    def freeze(self) -> list[int]:
        """Stop the processes, as Cloud Run takes the CPU from an idle instance. The next request wakes them."""
        return self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._frozen:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> list[int]:
        if self._process is None or self._process.returncode is not None:
            return []
        self._frozen = number == signal.SIGSTOP
        # The master last when they stop, first when they go on: its workers' death would be news to it.
        pids = [*self._process_tree(), self._process.pid]
        for pid in pids if self._frozen else reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    async def kill(self) -> None:
        """End the worker with SIGKILL and wait until it is dead; gunicorn starts another at once."""
        self.thaw()
        for pid in self.pids():
            await asyncio.to_thread(_kill_and_wait, pid)

    def holds_port(self, port: int) -> bool:
        """Whether one of the worker's own connections has this local port."""
        for pid in self.pids():
            with contextlib.suppress(psutil.Error):
                if any(conn.laddr and conn.laddr.port == port for conn in psutil.Process(pid).net_connections("tcp")):
                    return True
        return False

    def cpu_activity(self) -> tuple[float, bool]:
        """Return the CPU seconds that the living processes have used, and whether one of them is runnable."""
        used, ready = 0.0, False
        for pid in self._process_tree():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    used, ready = used + times.user + times.system, ready or process.status() == psutil.STATUS_RUNNING
        return used, ready

    def memory_peak(self) -> int:
        """Return the sum of the peak resident sets of the living workers and their children, in bytes."""
        peak = 0
        for pid in self._process_tree():
            with contextlib.suppress(OSError, StopIteration):
                status = Path(f"/proc/{pid}/status").read_text()
                peak += int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        return peak << 10

    def _process_tree(self) -> list[int]:
        """Return the process ids of the workers and of the children in which they examine files."""
        if self._process is None:
            return []
        # In one go, since psutil looks through all processes of the machine.
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self._process.pid).children(recursive=True)]
        return []

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self.thaw()
        children = self.pids()
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._reading is not None:
            await self._reading

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            try:
                record = json.loads(text)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                record = {"severity": "DEFAULT", "message": text}
                self._last_output = text or self._last_output
            self._report(self.name, record)


def _is_listening(port: int) -> bool:
    """Whether a connection to the port of this machine is taken, which the kernel tells at once."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _kill_and_wait(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(pid)
        process.kill()
        deadline = time.monotonic() + _DEAD_SECONDS
        while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(0.01)
