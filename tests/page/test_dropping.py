"""Drop, paste or choose files; what they cost is said first; small and large ones arrive whole."""

from __future__ import annotations

import os
import wave
from pathlib import Path

from playwright.sync_api import expect

from tests.page.conftest import Tab
from tests.running import SAMPLES, Running

NAMES = ["🎉 party.txt", "שלום עולם.txt", "مرحبا.txt", "a & b <c>.txt", "日本語.txt"]
LARGE_BYTES = int(os.environ.get("DROPSIGHT_PAGE_BYTES", 1 << 30))
"""The size of the large recording: 1 GB unless the machine is short of disk."""
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
    expect(tab.page.locator(".tasks li:not([hidden]) .state.completed")).to_have_count(20)
    for name in NAMES:
        expect(tab.row(name)).to_contain_text("answered")
    assert {task["metadata"]["file"] for task in system.tasks()} == {name for name, _ in files}


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


def test_an_empty_file_is_left_out_and_named(tab: Tab) -> None:
    tab.page.set_input_files("#files", {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""})
    expect(tab.page.get_by_role("alert").filter(has_text="empty.txt is empty")).to_be_visible()


def test_a_large_recording_survives_a_cut_and_a_pause(system: Running, tab: Tab, tmp_path: Path) -> None:
    """The network is away in the middle of it; then a person pauses; not a byte is lost or sent for nothing."""
    recording = tmp_path / "long talk.wav"
    _write_silence(recording, LARGE_BYTES)
    tab.allow_lost_connections()
    tab.page.set_input_files("#files", recording)
    tab.page.get_by_role("button", name="Send", exact=True).click()
    sending = tab.page.locator(".sending li")
    tab.wait_until("document.querySelector('.sending progress')?.value > 0.1", 120)
    tab.context.set_offline(True)
    expect(sending).to_contain_text("Connection lost")
    tab.context.set_offline(False)
    tab.wait_until("document.querySelector('.sending progress')?.value > 0.3", 120)
    sending.get_by_role("button", name="Pause").click()
    expect(sending).to_contain_text("paused")
    sending.get_by_role("button", name="Resume").click()
    expect(tab.row("long talk.wav")).to_be_visible(timeout=240_000)
    [blob] = [blob for blob in system.inbox.list_blobs() if blob.name.endswith("long talk.wav")]
    assert blob.size == recording.stat().st_size


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
