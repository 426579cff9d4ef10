"""`python -m tests.bench.preparation`: the peak memory of generate and its children while they prepare large files.

Drops a recording of two hours that is converted, one whose result is too large to be kept, workbooks of 50 MB and a
PDF of 1,500 pages, one after the other, into the local system. Prints the seconds until each task ended, and the most
memory that generate and all its children had together. That is the proportional set size: an instance is charged for a
page that several processes share once. Ends with 1 if any was over 400 MiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import psutil
from PIL import Image

from local import screen
from local.endpoints import PROJECT
from local.layout import INBOX
from local.system import LocalSystem, Options
from local.workers import Worker
from tests.shared.long_files import numbered_pdf

_HOURS = 2
_MAX_MIB = 400
_SECONDS = 900


def main() -> int:
    return asyncio.run(_measure())


async def _measure() -> int:
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="dropsight-preparation-") as folder:
        async with LocalSystem(Options(port_base=0), lambda *_: None) as system:
            os.environ["STORAGE_EMULATOR_HOST"] = system.endpoints.storage
            await _drop("warm-up.txt", lambda file: file.write_text("warm up"), Path(folder))
            for name, write in _FILES.items():
                peak = asyncio.create_task(_watch(system.workers["generate"]))
                seconds, ended = await _drop(name, write, Path(folder))
                peak.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await peak
                most = _peaks.pop() / 2**20
                worst = max(worst, most)
                screen.print_line(f"{name:<24}{seconds:>8.1f} s {most:>8.0f} MiB   {ended}")
    return int(worst > _MAX_MIB)


_peaks: list[int] = []


async def _watch(worker: Worker) -> None:
    most = 0
    try:
        while True:
            most = max(most, await asyncio.to_thread(_memory, worker.pids()))
            await asyncio.sleep(0.1)
    finally:
        _peaks.append(most)


def _memory(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
    return total


def _write_amr(file: Path) -> None:
    """Two hours of the same minute, in the narrow band of telephones."""
    data = _encoded("amr", "libopencore_amrnb", 8_000, "mono", 12_200)
    with file.open("wb") as out:
        out.write(data[:6])
        for _ in range(60 * _HOURS):
            out.write(data[6:])


def _write_adpcm(file: Path) -> None:
    """Two hours in two channels: converted, these are more than is kept in memory."""
    data = _encoded("wav", "adpcm_ms", 48_000, "stereo", None)
    at = data.index(b"data")
    sound = data[at + 8 :]
    block = struct.unpack_from("<H", data, 32)[0]
    sound = sound[: len(sound) // block * block]
    with file.open("wb") as out:
        size = len(sound) * 60 * _HOURS
        out.write(data[:4] + struct.pack("<I", at + size) + data[8:at] + b"data" + struct.pack("<I", size))
        for _ in range(60 * _HOURS):
            out.write(sound)


def _encoded(container: str, codec: str, rate: int, layout: str, bits: int | None) -> bytes:
    out, noise = io.BytesIO(), random.Random(7)
    with av.open(out, "w", format=container) as made:
        stream = made.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        if bits:
            stream.bit_rate = bits
        for second in range(60):
            frame = av.AudioFrame(format="s16", layout=layout, samples=rate)
            frame.planes[0].update(noise.randbytes(frame.planes[0].buffer_size))
            frame.sample_rate, frame.pts = rate, second * rate
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def _write_workbook(file: Path, rows: int, pictures: int, texts: int = 0) -> None:
    book = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    drawn, noise = "".join(f'<a r:embed="p{at}"/>' for at in range(pictures)), random.Random(7)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _types(texts > 0))
        archive.writestr("_rels/.rels", _listed(package, kinds, officeDocument="xl/workbook.xml"))
        sheet = '<sheets><sheet name="Sums" sheetId="1" r:id="worksheet"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{book}" xmlns:r="{kinds}">{sheet}</workbook>')
        targets = {"worksheet": "worksheets/s.xml", **({"sharedStrings": "sharedStrings.xml"} if texts else {})}
        archive.writestr("xl/_rels/workbook.xml.rels", _listed(package, kinds, **targets))
        archive.writestr("xl/worksheets/_rels/s.xml.rels", _listed(package, kinds, drawing="../drawings/d.xml"))
        archive.writestr("xl/drawings/d.xml", f'<d xmlns:r="{kinds}">{drawn}</d>')
        images = "".join(
            f'<Relationship Id="p{at}" Type="{kinds}/image" Target="../media/{at}.png"/>' for at in range(pictures)
        )
        archive.writestr("xl/drawings/_rels/d.xml.rels", f'<Relationships xmlns="{package}">{images}</Relationships>')
        for at in range(pictures):
            archive.writestr(f"xl/media/{at}.png", _noise(noise), zipfile.ZIP_STORED)
        if texts:
            with archive.open("xl/sharedStrings.xml", "w") as part:
                part.write(f'<sst xmlns="{book}">'.encode())
                for _ in range(texts):
                    part.write(f"<si><t>{noise.randbytes(24).hex()}</t></si>".encode())
                part.write(b"</sst>")
        with archive.open("xl/worksheets/s.xml", "w", force_zip64=True) as part:
            part.write(f'<worksheet xmlns="{book}"><sheetData>'.encode())
            for row in range(1, rows + 1):
                cells = "".join(f"<c><v>{noise.random()}</v></c>" for _ in range(10))
                part.write(f'<row r="{row}">{cells}</row>'.encode())
            part.write(b"</sheetData></worksheet>")


def _types(texts: bool) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {"workbook": "sheet.main", **({"sharedStrings": "sharedStrings"} if texts else {})}
    listed = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{kind}.{name}+xml"/>' for part, name in parts.items()
    )
    return f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{listed}</Types>'


def _listed(package: str, kinds: str, **targets: str) -> str:
    inside = "".join(
        f'<Relationship Id="{kind}" Type="{kinds}/{kind}" Target="{target}"/>' for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{package}">{inside}</Relationships>'


def _noise(noise: random.Random) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", (700, 600), noise.randbytes(700 * 600 * 3)).save(out, "PNG", compress_level=1)
    return out.getvalue()


_FILES: dict[str, Callable[[Path], object]] = {
    "two-hours.amr": _write_amr,
    "two-hours-stereo.wav": _write_adpcm,
    "pictures.xlsx": lambda file: _write_workbook(file, rows=10_000, pictures=38),
    "texts.xlsx": lambda file: _write_workbook(file, rows=500, pictures=20, texts=700_000),
    "1500-pages.pdf": lambda file: file.write_bytes(numbered_pdf(1500, page_bytes=40_000)),
    "numbers.xlsx": lambda file: _write_workbook(file, rows=500_000, pictures=0),
}


async def _drop(name: str, write: Callable[[Path], object], folder: Path) -> tuple[float, str]:
    """Drop a file and wait for its task's end; return the seconds it took, and how it ended."""
    from google.cloud import firestore, storage  # type: ignore[attr-defined,unused-ignore]

    file = folder / name
    await asyncio.to_thread(write, file)
    size = file.stat().st_size / 1e6
    client = firestore.AsyncClient(project=PROJECT)
    blob = storage.Client(project=PROJECT).bucket(INBOX).blob(name)
    began = time.monotonic()
    await asyncio.to_thread(blob.upload_from_filename, str(file), timeout=600)
    file.unlink()
    while time.monotonic() < began + _SECONDS:
        async for task in client.collection("tasks").stream():
            if task.get("source.name") == name and task.get("status") in ("completed", "failed"):
                error = (task.to_dict() or {}).get("error") or {}
                ended = error.get("code") or "completed"
                return time.monotonic() - began, f"{size:.0f} MB, {ended}"
        await asyncio.sleep(0.5)
    raise SystemExit(f"{name}: not done after {_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
