"""The control server: faults, recorded calls, events, dispatches, the model's behaviour, kills and the clock.

It answers only a loopback Host header and takes only JSON, so that no page in a browser can use it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.clock_steps import ClockSteps
from local.standins.faults import Duration, Fault
from local.standins.storage.iam import GRANTS

if TYPE_CHECKING:
    from local.system import LocalSystem
    from local.workers import Worker

_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Events(_Strict):
    copies: int | None = Field(default=None, ge=1, le=100)
    delay: Duration | None = None
    hold: bool | None = None
    unordered: bool | None = None


class Replay(_Strict):
    times: int = Field(default=1, ge=1, le=100)


class Kill(_Strict):
    function: str


class Advance(_Strict):
    advance: Duration


class Lose(_Strict):
    match: str = ""


_FAULTS = TypeAdapter(list[Fault])
_OBJECT = TypeAdapter(dict[str, Any])


class Control:
    def __init__(self, system: LocalSystem, clock_steps: ClockSteps) -> None:
        self._system, self._clock_steps = system, clock_steps
        routes: list[tuple[str, str, Callable[[Request], Awaitable[object]]]] = [
            ("/faults", "GET", self._list_faults),
            ("/faults", "POST", self._add_faults),
            ("/faults", "DELETE", self._clear_faults),
            ("/requests", "GET", self._list_requests),
            ("/requests", "DELETE", self._clear_requests),
            ("/stats", "GET", self._show_stats),
            ("/in-flight", "GET", self._show_in_flight),
            ("/events", "GET", self._show_events),
            ("/events", "PUT", self._set_events),
            ("/events/replay", "POST", self._replay_events),
            ("/events/lose", "POST", self._lose_events),
            ("/dispatches/lose", "POST", self._lose_dispatches),
            ("/dispatches", "GET", self._show_dispatches),
            ("/model", "GET", self._show_model),
            ("/model", "PUT", self._set_model),
            ("/model", "DELETE", self._reset_model),
            ("/kill", "POST", self._kill_worker),
            ("/freeze", "POST", self._freeze_worker),
            ("/clock", "GET", self._show_time),
            ("/clock", "PUT", self._advance_clock),
            ("/sweep", "POST", self._run_sweep),
            ("/workers", "GET", self._list_workers),
            ("/grants", "GET", self._show_grants),
            ("/grants", "PUT", self._replace_grants),
            ("/grants", "DELETE", self._restore_grants),
        ]
        self.app: ASGIApp = Starlette(
            routes=[Route(path, _guarded(handler), methods=[method]) for path, method, handler in routes]
        )

    async def _list_faults(self, _: Request) -> object:
        return self._system.tap.faults.listing()

    async def _add_faults(self, request: Request) -> object:
        self._system.tap.faults.add(_FAULTS.validate_json(await request.body()))
        return self._system.tap.faults.listing()

    async def _clear_faults(self, _: Request) -> object:
        self._system.tap.faults.clear()
        return []

    async def _list_requests(self, request: Request) -> object:
        return self._system.tap.ledger.calls(request.query_params.get("service"))

    async def _clear_requests(self, _: Request) -> object:
        self._system.tap.ledger.forget()
        return []

    async def _show_stats(self, _: Request) -> object:
        return self._system.tap.ledger.stats()

    async def _show_in_flight(self, _: Request) -> object:
        """Return the counts of undelivered events, running dispatches, and unanswered requests to the stand-ins."""
        system = self._system
        requests = {service: count for service, count in system.tap.in_flight.items() if count}
        return {"events": system.storage.pending(), "dispatches": system.queue.in_flight(), "requests": requests}

    async def _show_events(self, _: Request) -> object:
        return {"pending": self._system.storage.pending()}

    async def _set_events(self, request: Request) -> object:
        changes = Events.model_validate_json(await request.body())
        self._system.storage.set_events(changes.copies, changes.delay, changes.hold, changes.unordered)
        return {"pending": self._system.storage.pending()}

    async def _replay_events(self, request: Request) -> object:
        times = Replay.model_validate_json(await request.body() or b"{}").times
        return {"deliveries": self._system.storage.replay(times)}

    async def _lose_events(self, _: Request) -> object:
        return {"lost": self._system.storage.lose_held()}

    async def _lose_dispatches(self, request: Request) -> object:
        match = Lose.model_validate_json(await request.body() or b"{}").match
        return {"lost": self._system.queue.lose(match)}

    async def _show_dispatches(self, _: Request) -> object:
        queue = self._system.queue
        return {"in_flight": queue.in_flight(), "next_due": queue.next_due(), "idle": queue.idle()}

    async def _show_model(self, _: Request) -> object:
        return self._system.gemini.behaviour.model_dump(mode="json")

    async def _set_model(self, request: Request) -> object:
        changes = _OBJECT.validate_json(await request.body())
        return self._system.gemini.set_model(changes).model_dump(mode="json")

    async def _reset_model(self, _: Request) -> object:
        return self._system.gemini.set_model({"reset": True}).model_dump(mode="json")

    async def _kill_worker(self, request: Request) -> object:
        worker = self._worker(Kill.model_validate_json(await request.body()).function)
        pids = worker.pids()
        await worker.kill()
        return {"killed": pids}

    async def _freeze_worker(self, request: Request) -> object:
        """Freeze a function that has no request, as Cloud Run does. Its next request wakes it."""
        name = Kill.model_validate_json(await request.body()).function
        worker = self._worker(name)
        if busy := self._system.front_door.in_flight(name):
            raise ValueError(f"{name} works on {busy} requests: an instance is frozen only between requests")
        return {"frozen": worker.freeze()}

    def _worker(self, name: str) -> Worker:
        worker = self._system.workers.get(name)
        if worker is None:
            raise ValueError(f"there is no function {name!r}: {', '.join(self._system.workers)}")
        return worker

    async def _show_time(self, _: Request) -> object:
        return {"time": self._system.clock.time(), "now": self._system.clock.now().isoformat()}

    async def _advance_clock(self, request: Request) -> object:
        await self._clock_steps.advance(Advance.model_validate_json(await request.body()).advance)
        return await self._show_time(request)

    async def _run_sweep(self, request: Request) -> object:
        return await self._system.sweep(_OBJECT.validate_json(await request.body() or b"{}"))

    async def _show_grants(self, _: Request) -> object:
        """Return what the functions may do in Cloud Storage, and what they did and were refused."""
        policy = self._system.storage.policy
        return {
            "grants": [{"account": account, **grant.model_dump()} for account, grant in policy.grants],
            "used": [asdict(access) for access in policy.used],
            "refused": [asdict(access) for access in policy.refused],
        }

    async def _replace_grants(self, request: Request) -> object:
        """Put other grants in force: `{"account": [{"bucket", "role", "under", "lists"}]}`."""
        self._system.storage.policy.replace(GRANTS.validate_json(await request.body()))
        return await self._show_grants(request)

    async def _restore_grants(self, request: Request) -> object:
        self._system.restore_grants()
        return await self._show_grants(request)

    async def _list_workers(self, _: Request) -> object:
        return {
            name: {"pids": worker.pids(), "memory_peak": worker.memory_peak()}
            for name, worker in self._system.workers.items()
        }


def _guarded(handler: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        if host not in _LOOPBACK:
            return _error(403, f"the control server answers loopback hosts only, not {host!r}")
        content_type = request.headers.get("content-type", "").split(";")[0].strip()
        if request.method in ("POST", "PUT") and content_type != "application/json":
            return _error(415, "send JSON, with Content-Type: application/json")
        try:
            return JSONResponse(await handler(request))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            return _error(422, f"{field}: {message}" if field else message)
        except ValueError as error:
            return _error(422, str(error))

    return guarded


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status_code=status)
