"""Drop, paste or choose files; what they cost is said first; small and large ones arrive whole."""

from __future__ import annotations

import os
import re
import wave
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests import machine
from tests.page.conftest import Tab
from tests.running import SAMPLES, Running

NAMES = ["🎉 party.txt", "שלום עולם.txt", "مرحبا.txt", "a & b <c>.txt", "日本語.txt"]
LARGE_BYTES = int(os.environ.get("DROPSIGHT_PAGE_BYTES", 1 << 30))
"""The size of the large recording: 1 GB unless the machine is short of disk."""
PIECE = 8 << 20
"""Bytes that the page sends at once."""
DROP = """files => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name, { type: "text/plain" }));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


def test_twenty_files_dropped_at_once_are_all_answered(system: Running, tab: Tab) -> None:
    files = [[name, f"Text of {name}"] for name in [*NAMES, *(f"note {number}.txt" for number in range(15))]]
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.evaluate(DROP, files)
    expect(tab.page.get_by_role("button", name="Send 20 files")).to_be_visible()
    expect(tab.page.locator(".estimate")).to_contain_text("tokens to read")
    tab.page.get_by_role("button", name="Send 20 files").click()
    for name, _ in files:
        expect(tab.row(name)).to_contain_text("answered")
    dropped = [task["metadata"].get("file") for task in system.tasks()]
    assert [dropped.count(name) for name, _ in files] == [1] * len(files)


def test_pasted_text_becomes_a_file(tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.evaluate("""() => {
      const data = new DataTransfer();
      data.setData("text/plain", "Milk, bread, and a new pump for the pond.");
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }""")
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.row("pasted.txt")).to_contain_text("answered")


def test_a_recipe_explains_itself_and_asks_for_what_it_needs(system: Running, tab: Tab) -> None:
    tab.page.set_input_files("#files", SAMPLES / "report.pdf")
    tab.page.get_by_label("What shall be done").select_option("ask")
    expect(tab.page.locator("#about")).to_contain_text("in your own words")
    tab.page.get_by_label("Your question").fill("Who signs?")
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.row("report.pdf")).to_contain_text("answered · ask")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_what_a_text_costs_at_most_is_said_whatever_its_unicode_encoding(tab: Tab, encoding: str) -> None:
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    text = (mark + "plain words " * 100).encode(encoding)
    tab.page.set_input_files("#files", {"name": "words.txt", "mimeType": "text/plain", "buffer": text})
    expect(tab.page.locator(".estimate")).to_contain_text("At most 300 tokens to read")


def test_what_a_recording_costs_is_said_as_an_estimate(tab: Tab) -> None:
    tab.page.set_input_files("#files", [SAMPLES / "speech.wav", SAMPLES / "notes.txt"])
    expect(tab.page.locator(".estimate")).to_contain_text(re.compile("About [0-9,]+ tokens to read"))


def test_a_file_that_cannot_be_read_is_of_unknown_length(tab: Tab) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    tab.page.evaluate("""() => {
      Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotReadableError"));
    }""")
    tab.page.evaluate(DROP, [["gone.txt", "It was moved meanwhile."]])
    expect(tab.page.locator(".estimate")).to_contain_text("1 of unknown length")


def test_an_empty_file_is_left_out_and_named(tab: Tab) -> None:
    tab.page.set_input_files("#files", {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""})
    expect(tab.page.get_by_role("alert").filter(has_text="empty.txt is empty")).to_be_visible()


def test_a_large_recording_survives_a_cut_and_a_pause(system: Running, tab: Tab, tmp_path: Path) -> None:
    """The connection breaks in the middle of it; then a person pauses; not a byte is lost or sent for nothing."""
    recording = tmp_path / "long talk.wav"
    _write_silence(recording, LARGE_BYTES)
    tab.allow_lost_connections()
    system.fault("storage", "upload_id", skip=max(2, LARGE_BYTES // PIECE // 8), drop=True)
    pieces: list[tuple[int, int]] = []
    tab.page.on("request", lambda request: pieces.append(_piece_of(request.headers.get("content-range", ""))))
    tab.page.set_input_files("#files", recording)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    sending = tab.page.locator(".sending li")
    expect(sending).to_contain_text("Connection lost", timeout=machine.allowed(120) * 1000)
    tab.context.set_offline(True)
    sending.get_by_role("button", name="Pause").click()
    expect(sending).to_contain_text("paused")
    system.control("DELETE", "/faults")
    tab.context.set_offline(False)
    sending.get_by_role("button", name="Resume").click()
    expect(tab.row("long talk.wav")).to_be_visible(timeout=machine.allowed(240) * 1000)
    [blob] = [blob for blob in system.inbox.list_blobs() if blob.name.endswith("long talk.wav")]
    assert blob.size == recording.stat().st_size
    sizes = [end - start for start, end in pieces]
    assert max(sizes) <= PIECE, "more of the file was in memory than one piece"
    assert sum(sizes) <= LARGE_BYTES + 3 * PIECE, "the cut and the pause cost at most a piece each"


def test_an_upload_goes_on_after_a_reload_where_it_stopped(system: Running, tab: Tab, tmp_path: Path) -> None:
    """Once the file is chosen again, no byte that arrived is sent again, and no recipe is asked for."""
    tab.allow_lost_connections()
    recording = tmp_path / "cut off.wav"
    _write_silence(recording, PIECE * 8)
    _lose_pieces(system, tab, from_byte=PIECE * 3)
    tab.page.set_input_files("#files", recording)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.page.locator(".sending li")).to_contain_text("Connection lost")
    tab.page.reload()
    cut_off = tab.page.locator(".sending li", has_text="cut off.wav")
    expect(cut_off).to_contain_text("Not sent whole")
    tab.page.unroute_all()
    pieces: list[tuple[int, int]] = []
    tab.page.on("request", lambda request: pieces.append(_piece_of(request.headers.get("content-range", ""))))
    with tab.page.expect_file_chooser() as chooser:
        cut_off.get_by_role("button", name="Choose it again").click()
    chooser.value.set_files(recording)
    expect(tab.page.locator(".tray")).to_be_hidden()
    expect(tab.row("cut off.wav")).to_be_visible(timeout=machine.allowed(120) * 1000)
    sent = [start for start, _ in pieces if start >= 0]
    assert min(sent) == PIECE * 3
    assert len(sent) == len(set(sent)) == 5
    [blob] = [blob for blob in system.inbox.list_blobs() if blob.name.endswith("cut off.wav")]
    assert blob.size == recording.stat().st_size
    tab.page.reload()
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    expect(tab.page.locator(".sending li")).to_have_count(0)


def test_another_file_of_the_same_name_is_not_taken_for_the_rest(system: Running, tab: Tab, tmp_path: Path) -> None:
    tab.allow_lost_connections()
    recording = tmp_path / "same.wav"
    _write_silence(recording, PIECE)
    _lose_pieces(system, tab, from_byte=0)
    tab.page.set_input_files("#files", recording)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    expect(tab.page.locator(".sending li")).to_contain_text("Connection lost")
    tab.page.reload()
    cut_off = tab.page.locator(".sending li", has_text="same.wav")
    expect(cut_off).to_contain_text("Not sent whole")
    tab.page.unroute_all()
    tab.page.set_input_files("#files", {"name": "same.wav", "mimeType": "audio/wav", "buffer": b"RIFF" + bytes(999)})
    expect(tab.page.locator(".tray")).to_be_visible()
    cut_off.get_by_role("button", name="Forget same.wav").click()
    tab.page.reload()
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    expect(tab.page.locator(".sending li")).to_have_count(0)


def _lose_pieces(system: Running, tab: Tab, *, from_byte: int) -> None:
    """Let every connection break that sends what lies at or after a byte, or asks how much has arrived."""

    def pass_or_lose(route: Route) -> None:
        start, _ = _piece_of(route.request.headers.get("content-range", ""))
        if route.request.method == "PUT" and not 0 <= start < from_byte:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    tab.page.route(re.compile("upload_id="), pass_or_lose)


def _piece_of(content_range: str) -> tuple[int, int]:
    """Return where a piece begins and ends; twice -1 for a request that sends none."""
    match = re.match(r"bytes (\d+)-(\d+)/", content_range)
    return (int(match[1]), int(match[2]) + 1) if match else (-1, -1)


def _write_silence(path: Path, size: int) -> None:
    """Write a WAV file of about `size` bytes; the silence is a hole in the file, which takes no disk."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(32_000)
        out.setnframes((size - 44) // 2)
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = (size - 8).to_bytes(4, "little"), (size - 44).to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, size)
