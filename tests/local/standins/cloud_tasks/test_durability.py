"""What a queue service that keeps its state still knows after it was killed."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import AlreadyExists

from local.standins.oidc import Issuer, TokenRefused
from shared.clock import MovableClock
from tests.local.standins.cloud_tasks.conftest import QUEUE, Make, Target, client_of, task, until

_SERVICE = """
import argparse, asyncio, sys
from pathlib import Path
from local.standins.cloud_tasks import add_arguments, from_arguments
from local.standins.wire_tap import Tap
from shared.clock import Clock

async def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(sys.argv[2:])
    print(await from_arguments(args, clock=Clock(), data=Path(sys.argv[1]), tap=Tap()).start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_acknowledged_tasks_and_blocked_names_survive_kill_9(
    make: Make, target: Target, clock: MovableClock, tmp_path: Path
) -> None:
    data = tmp_path / "queue"
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVICE, str(data), "--queue", QUEUE, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    client = client_of(f"127.0.0.1:{int(await service.stdout.readline())}")
    later = {"schedule_time": clock.now() + timedelta(hours=1)}
    for number in range(20):
        await client.create_task(parent=QUEUE, task=task(target.url, f"t-{number}", body=b"kept") | later)
    await client.create_task(parent=QUEUE, task=task(target.url, "gone"))
    await target.received(1)
    await client.delete_task(name=f"{QUEUE}/tasks/t-0")
    service.send_signal(signal.SIGKILL)
    await service.wait()
    await client.transport.close()

    bench = await make(data)
    for name in ("t-0", "t-1"):
        with pytest.raises(AlreadyExists):
            await bench.client.create_task(parent=QUEUE, task=task(target.url, name))
    clock.advance(3601)
    # "gone" arrives twice where its first answer was not noted before the end.
    await target.received(20)
    await until(bench.standin.idle)
    arrived = {delivery.headers["x-cloudtasks-taskname"] for delivery in target.deliveries}
    assert arrived - {"gone"} == {f"t-{number}" for number in range(1, 20)}
    assert target.deliveries[-1].body == b"kept"


async def test_a_task_under_way_at_a_restart_is_delivered_again_and_counts_on(
    make: Make, target: Target, tmp_path: Path
) -> None:
    first = await make(tmp_path / "queue")
    target.gate.clear()
    await first.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    await target.received(1)
    await first.standin.stop()
    await make(tmp_path / "queue")
    again = (await target.received(2))[1]
    assert again.headers["x-cloudtasks-taskretrycount"] == "1"


async def test_a_paused_queue_is_paused_after_a_restart_and_takes_the_new_settings(
    make: Make, target: Target, tmp_path: Path
) -> None:
    first = await make(tmp_path / "queue", max_attempts=5)
    await first.client.pause_queue(name=QUEUE)
    await first.standin.stop()
    second = await make(tmp_path / "queue", max_attempts=7)
    queue = await second.client.get_queue(name=QUEUE)
    assert (queue.state.name, queue.retry_config.max_attempts) == ("PAUSED", 7)


async def test_what_waits_for_an_address_of_a_run_on_other_ports_is_sent_to_the_new_one(
    make: Make, target: Target, clock: MovableClock, tmp_path: Path
) -> None:
    first = await make(tmp_path / "queue")
    later = {"schedule_time": clock.now() + timedelta(hours=1)}
    gone = "http://127.0.0.1:9"
    token = {"oidc_token": {"service_account_email": "a@b.iam.gserviceaccount.com", "audience": gone}}
    await first.client.create_task(parent=QUEUE, task=task(f"{gone}/way?q=1", "mine", **token) | later)
    await first.client.create_task(parent=QUEUE, task=task("https://example.com/hook", "theirs") | later)
    await first.standin.stop()
    second = await make(tmp_path / "queue", held=True)
    assert second.standin.repoint({QUEUE: target.url}) == 1
    clock.advance(3601)
    assert second.standin.in_flight() == 0
    await second.standin.stop()

    third = await make(tmp_path / "queue", held=True)
    assert (await third.client.get_task(name=f"{QUEUE}/tasks/theirs")).http_request.url == "https://example.com/hook"
    await third.client.delete_task(name=f"{QUEUE}/tasks/theirs")
    third.standin.release()
    (delivery,) = await target.received(1)
    assert delivery.path == "/way"
    claims = delivery.headers["authorization"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == target.url


def test_a_kept_key_verifies_tokens_of_before_the_restart(clock: MovableClock, tmp_path: Path) -> None:
    token = Issuer(clock, tmp_path / "keys").token("a@b", "https://fn")
    assert Issuer(clock, tmp_path / "keys").verify(token, "https://fn")["email"] == "a@b"
    with pytest.raises(TokenRefused):
        Issuer(clock).verify(token, "https://fn")
