from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.clock import MovableClock

pytestmark = pytest.mark.long


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(launch: Any, connect: Any, tmp_path: Path) -> None:
    process = launch("--data", tmp_path)
    client = connect(process)
    acknowledged: list[tuple[str, Any]] = []
    enough = threading.Event()

    def write(thread: int) -> None:
        for number in range(10_000):
            name = f"t{thread}-{number}"
            try:
                result = client.document(f"c/{name}").set({"n": number}, retry=None, timeout=60)
            except Exception:
                return
            acknowledged.append((name, result.update_time))
            if len(acknowledged) > 300:
                enough.set()

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(timeout=60)
    process.kill()
    for thread in threads:
        thread.join()
    process.start()
    stored = {snapshot.id: snapshot.update_time for snapshot in client.collection("c").stream()}
    assert [name for name, _ in acknowledged if name not in stored] == []
    assert [name for name, time in acknowledged if stored[name] != time] == []


def test_a_record_torn_by_a_crash_is_dropped_and_what_precedes_it_kept(
    launch: Any, connect: Any, tmp_path: Path
) -> None:
    process = launch("--data", tmp_path)
    client = connect(process)
    client.document("c/whole").set({"n": 1})
    client.document("c/torn").set({"n": 2})
    process.kill()
    log = tmp_path / "commits.log"
    log.write_bytes(log.read_bytes()[:-3])
    process.start()
    assert [snapshot.id for snapshot in client.collection("c").stream()] == ["whole"]
    later = client.document("c/later").set({"n": 3}).update_time
    process.kill()
    process.start()
    assert client.document("c/later").get().update_time == later


def test_the_log_is_compacted_at_the_start_but_keeps_the_past_hour(launch: Any, connect: Any, tmp_path: Path) -> None:
    clock = MovableClock(tmp_path / "clock")
    process = launch("--data", tmp_path, "--clock", tmp_path / "clock")
    client = connect(process)
    document = client.document("c/d")
    for number in range(50):
        document.set({"text": "x" * 1000, "n": number})
    clock.advance(7200)
    old = document.set({"n": 50}).update_time
    document.set({"n": 51})
    process.kill()
    process.start()
    assert (tmp_path / "commits.log").stat().st_size < 2500
    assert document.get().get("n") == 51
    assert document.get(read_time=old).get("n") == 50
    assert document.set({"n": 52}).update_time > old


@pytest.mark.parametrize("documents", [3, 100], ids=["in a small collection", "in an indexed one"])
def test_expired_documents_are_deleted_also_after_a_restart(
    launch: Any, connect: Any, tmp_path: Path, indexes: Path, documents: int
) -> None:
    clock = MovableClock(tmp_path / "clock")
    process = launch("--data", tmp_path, "--clock", tmp_path / "clock", "--indexes", indexes)
    collection = connect(process).collection("tasks")
    batch = collection._client.batch()
    for number in range(documents):
        batch.set(collection.document(f"d{number}"), {"expires_at": datetime.now(UTC) + timedelta(hours=number)})
    batch.set(collection.document("for ever"), {"expires_at": "a text is no time"})
    batch.commit()
    process.kill()
    process.start()
    clock.advance(90 * 60)
    while (left := len(collection.get())) > documents - 1:
        clock.advance(1)
    assert left == documents - 1
