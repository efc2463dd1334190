"""The calls about providers: which are set up, setting one up, trying it; and how a provider's answer is waited for.

A key goes in and never comes out.
"""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from gnomon.errors import UserError
from gnomon.runs.files import to_json
from gnomon.server import failures
from gnomon.server import story_shapes as shapes
from gnomon.server.failures import Failure
from gnomon.story.intents.asked import IntentError
from gnomon.story.providers.protocol import Cancelled, edited_text
from gnomon.story.providers.settings import Providers

router = APIRouter(tags=["providers"])

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks at whether the client is still there
_TRIED = {
    "task": "edit",
    "intent": {"op": "change_event", "event": "e1", "verb": "run"},
    "span": "Anna walked to the mill.",
    "before": "",
    "after": "",
    "cast": [{"id": "anna", "name": "Anna", "kind": "character", "aliases": [], "gender": "f"}],
}
"""What a provider is asked when it is tried."""


def answer(value: Any, status: int = 200) -> Response:
    """An answer in JSON, of a value that is ready for it."""
    return Response(to_json(value), status, media_type="application/json")


def failed(fault: BaseException) -> Failure:
    """What is answered for whatever ended a provider's work. A fault of ours is shown where the server was started."""
    if isinstance(fault, Failure):
        return fault
    if isinstance(fault, Cancelled):
        return Failure(409, "cancelled", "The work was cancelled; nothing was changed.")
    if isinstance(fault, UserError):
        return failures.failure(fault)
    if isinstance(fault, OSError) and (of_the_disk := failures.of_the_disk(fault)) is not None:
        return of_the_disk
    traceback.print_exception(fault, file=sys.stderr)
    return failures.fault()


def in_own_thread(work: Callable[[], T]) -> "Future[T]":
    """Run `work` in a thread of its own: a provider may take minutes, and nobody else is to wait for its thread."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            found = work()
        except BaseException as fault:
            future.set_exception(fault)
        else:
            future.set_result(found)

    threading.Thread(target=run, name="provider", daemon=True).start()
    return future


async def waited_for(request: Request, stop: threading.Event, work: Callable[[], T]) -> T:
    """What `work` gives. `stop` is set, which should end it, once the client has gone or the server ends."""
    closing = request.app.state.closing
    closing.add(stop.set)
    working = asyncio.ensure_future(asyncio.wrap_future(in_own_thread(work)))
    try:
        while not working.done():
            await asyncio.wait({working}, timeout=_LOOK)
            if not working.done() and await request.is_disconnected():
                stop.set()
        return working.result()
    except Exception as fault:
        raise failed(fault) from fault
    finally:
        stop.set()
        closing.remove(stop.set)


def _providers(request: Request) -> Providers:
    found: Providers = request.app.state.stories.providers
    return found


@router.get("/providers", response_model=shapes.Providers)
def providers(request: Request) -> Response:
    """The providers that are set up, the built-in editor first."""
    return answer({"providers": _providers(request).list()})


@router.put("/providers/{name}", response_model=shapes.Provider)
def put_provider(name: str, body: shapes.ProviderAsked, request: Request) -> Response:
    """Set a provider up, or change it. Without `key` the one that is kept stays, unless the address is another.

    Without `prices` those that are kept stay while address and model do.
    """
    known = _providers(request)
    known.put(name, body.model_dump(exclude_unset=True))
    return answer(next(each for each in known.list() if each["name"] == name))


@router.delete("/providers/{name}", response_model=shapes.Nothing)
def delete_provider(name: str, request: Request) -> Response:
    """Forget a provider and its key."""
    try:
        _providers(request).delete(name)
    except IntentError as fault:
        raise Failure(404, "not_found", str(fault)) from fault
    return answer({})


@router.post("/providers/{name}/test", response_model=shapes.Tested)
async def test_provider(name: str, request: Request) -> Response:
    """Ask a provider for an edit of one sentence, and see whether it gives one."""
    known = _providers(request)
    stop = threading.Event()

    def work() -> float:
        try:
            provider = known.open(name)
        except IntentError as fault:
            status, code = (404, "not_found") if fault.field == "provider" else (422, "invalid")
            raise Failure(status, code, str(fault), fault.field if status == 422 else None) from fault
        begun = time.perf_counter()
        if provider is not None:
            edited_text(provider.complete(_TRIED, stop=stop), provider.name, may_be_empty=False)
        return time.perf_counter() - begun

    return answer({"ok": True, "seconds": await waited_for(request, stop, work)})
