"""What arrives at the target, when, and how often."""

from __future__ import annotations

from tests.local.queue.conftest import QUEUE, Target, until


async def test_a_created_task_is_delivered_at_once_with_the_headers_of_cloud_tasks(make, target: Target) -> None:
    bench = await make()
    task = {
        "name": f"{QUEUE}/tasks/t-1",
        "http_request": {"url": f"{target.url}/go?x=1", "body": b"{}", "headers": {"Content-Type": "application/json"}},
    }
    answer = await bench.client.create_task(parent=QUEUE, task=task)
    [delivery] = await target.received(1)
    assert answer.name == f"{QUEUE}/tasks/t-1"
    assert (delivery.method, delivery.path, delivery.body) == ("POST", "/go", b"{}")
    assert delivery.headers["user-agent"] == "Google-Cloud-Tasks"
    await until(bench.standin.idle)
