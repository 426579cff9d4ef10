"""What other programs say of a file."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

_SECONDS = 60
_PYPDF = "import sys, pypdf; print(len(pypdf.PdfReader(sys.argv[1]).pages))"
_DEMUX = """
import sys, av
ends, starts, sums = {}, {}, {}
with av.open(sys.argv[1]) as container:
    for packet in container.demux():
        stream = packet.stream
        if packet.size and stream.type in ("audio", "video") and not stream.disposition & 0x400:
            at = packet.dts if packet.dts is not None else packet.pts
            if at is not None:
                base = stream.time_base
                starts.setdefault(stream.index, float(at * base))
                sums[stream.index] = sums.get(stream.index, 0) + float((packet.duration or 0) * base)
                ends[stream.index] = max(ends.get(stream.index, 0), float((at + (packet.duration or 0)) * base))
print(max(max(sums[each], ends[each] - max(0, starts[each])) for each in ends))
"""


def reference_pages(file: Path) -> int | None:
    """Pages, by qpdf or pypdf; None where they do not read the file."""
    if qpdf := shutil.which("qpdf"):
        printed = _run(qpdf, "--show-npages", "--no-warn", str(file))
    else:
        printed = _run(sys.executable, "-W", "ignore", "-c", _PYPDF, str(file))
    with contextlib.suppress(ValueError):
        return int(printed)
    return None


def reference_seconds(file: Path) -> float | None:
    """Seconds that can be demuxed, by ffprobe or PyAV left to themselves; None where they do not read the file."""
    if ffprobe := shutil.which("ffprobe"):
        return _by_ffprobe(ffprobe, file)
    with contextlib.suppress(ValueError):
        return float(_run(sys.executable, "-c", _DEMUX, str(file)))
    return None


def _by_ffprobe(ffprobe: str, file: Path) -> float | None:
    asked = ("-v", "error", "-of", "json", "-show_entries", "packet=stream_index,dts_time,duration_time", str(file))
    spans: dict[int, tuple[float, float]] = {}
    with contextlib.suppress(ValueError):
        for packet in json.loads(_run(ffprobe, *asked)).get("packets", []):
            if "dts_time" in packet:
                at = float(packet["dts_time"])
                first, last = spans.get(packet["stream_index"], (at, at))
                spans[packet["stream_index"]] = first, max(last, at + float(packet.get("duration_time", 0)))
    return max((last - max(0.0, first) for first, last in spans.values()), default=None)


def _run(*command: str) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS).stdout.strip()
    return ""
