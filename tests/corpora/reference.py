"""What other programs say of a file."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_SECONDS = 60
_LONGEST_PACKET = 3600.0
"""Seconds. FFmpeg wraps a negative duration around to days."""
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
    """Pages, by qpdf or pypdf; None where they do not read the file.

    qpdf opens a file with a password whose owner has none. Viewers ask for the password, and so it counts as locked.
    """
    if qpdf := shutil.which("qpdf"):
        passwords = _run(qpdf, "--show-encryption", "--no-warn", str(file))
        if "Supplied password is owner password" in passwords and "is user password" not in passwords:
            return None
        return _pages_by_qpdf(qpdf, file)
    printed = _run(sys.executable, "-W", "ignore", "-c", _PYPDF, str(file))
    with contextlib.suppress(ValueError):
        return int(printed)
    return None


def _pages_by_qpdf(qpdf: str, file: Path) -> int | None:
    """Count the pages themselves: what a damaged document says of their number may be anything."""
    with contextlib.suppress(ValueError):
        return len(json.loads(_run(qpdf, "--json", "--json-key=pages", "--no-warn", str(file)))["pages"])
    return None


def is_sound(file: Path) -> bool:
    """Whether qpdf finds nothing wrong with a PDF, and any page in it; True where it is not there."""
    qpdf = shutil.which("qpdf")
    if qpdf is None:
        return True
    checked = subprocess.run([qpdf, "--check", str(file)], capture_output=True, timeout=_SECONDS)
    return checked.returncode == 0 and bool(_pages_by_qpdf(qpdf, file))


def reference_seconds(file: Path) -> float | None:
    """Seconds that can be demuxed, by ffprobe or PyAV left to themselves; None where they do not read the file.

    Where the packets do not say how long they last, the seconds that FFmpeg decodes.
    """
    if ffprobe := shutil.which("ffprobe"):
        return _by_ffprobe(ffprobe, file)
    with contextlib.suppress(ValueError):
        return float(_run(sys.executable, "-c", _DEMUX, str(file)))
    return None


def _by_ffprobe(ffprobe: str, file: Path) -> float | None:
    shown = "stream=index,codec_type:stream_disposition=attached_pic,timed_thumbnails"
    shown += ":packet=stream_index,dts_time,duration_time,flags"
    asked = ("-v", "error", "-of", "json", "-show_entries", shown, str(file))
    spans: dict[int, tuple[float, float]] = {}
    with contextlib.suppress(ValueError):
        probed = json.loads(_run(ffprobe, *asked))
        played = {stream["index"] for stream in probed.get("streams", []) if _is_played(stream)}
        packets = [packet for packet in probed.get("packets", []) if packet["stream_index"] in played]
        lengths = [float(packet["duration_time"]) for packet in packets if "duration_time" in packet]
        if packets and (not lengths or max(lengths) > _LONGEST_PACKET):
            return _by_decoding(file)
        for packet in packets:
            # Those with D are hidden by an edit list.
            if "dts_time" in packet and "D" not in packet["flags"]:
                at = float(packet["dts_time"])
                first, last = spans.get(packet["stream_index"], (at, at))
                spans[packet["stream_index"]] = first, max(last, at + float(packet.get("duration_time", 0)))
    return max((last - max(0.0, first) for first, last in spans.values()), default=None)


def _is_played(stream: dict[str, Any]) -> bool:
    return stream.get("codec_type") in ("audio", "video") and not any(stream["disposition"].values())


def _by_decoding(file: Path) -> float | None:
    """The samples of the first sound, or else the end of the first pictures, once decoded."""
    asked = ("ffmpeg", "-v", "quiet", "-i", str(file))
    heard = (*asked, "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
    with contextlib.suppress(subprocess.TimeoutExpired):
        if samples := subprocess.run(heard, capture_output=True, timeout=_SECONDS).stdout:
            return len(samples) / 16_000
    seen = _run(*asked, "-map", "0:V:0", "-f", "null", "-progress", "pipe:1", "-nostats", "-")
    ends = re.findall(r"^out_time_us=(\d+)$", seen, re.MULTILINE)
    return int(ends[-1]) / 1_000_000 if ends and int(ends[-1]) else None


def _run(*command: str) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS).stdout.strip()
    return ""
