"""What went wrong, as every answer says it: `{"error": {"code", "message", "field"?, ...}}`, in one sentence.

A fault of ours is answered as `fault`, and its traceback is shown where the server runs.
"""

import errno
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gnomon.errors import UserError
from gnomon.runs.files import to_json

LARGEST_BODY = 20 * 2**20
"""Bytes of a request's body, including what surrounds the files in it."""


class Failure(Exception):
    """What a route cannot do: `status` and `code` for programs, `message` for people.

    `field` names what was wrong in the request, as in `edits[0].start`; `more` is added to the answer.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.more = status, code, message, field, more

    def document(self) -> dict[str, Any]:
        """What stands under `error`."""
        named = {} if self.field is None else {"field": self.field}
        return {"code": self.code, "message": self.message, **named, **self.more}

    def answer(self) -> Response:
        """The whole answer."""
        return Response(to_json({"error": self.document()}), self.status, media_type="application/json")


def failure(mistake: UserError) -> Failure:
    """The answer to a person's mistake that a room has found."""
    from gnomon.stats.order.design import UndecidableDesign
    from gnomon.story.intents.asked import IntentError
    from gnomon.story.project import Conflict, EditError, NotThere
    from gnomon.story.providers.protocol import ProviderError
    from gnomon.story.providers.spending import NotApproved, SpendingCap

    sentence = str(mistake)
    match mistake:
        case Conflict():
            return Failure(409, "conflict", sentence, revision=mistake.revision)
        case NotThere():
            return Failure(404, "not_found", sentence)
        case EditError() | IntentError():
            return Failure(422, "invalid", sentence, mistake.field)
        case NotApproved():
            return Failure(409, "not_approved", sentence, estimate=mistake.estimate.to_dict())
        case SpendingCap():
            return Failure(409, "spending_cap", sentence)
        case ProviderError():
            return Failure(502, mistake.code, sentence)
        case UndecidableDesign():
            return Failure(422, "undecidable", sentence)
        case _:
            return Failure(422, "invalid", sentence)


def field_path(parts: Iterable[str | int]) -> str:
    """Where in a request something is: ("edits", 0, "start") is `edits[0].start`."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def fault() -> Failure:
    """The answer to what nobody foresaw."""
    return Failure(500, "fault", "This is a fault in Gnomon; its traceback is where the server was started.")


_OF_THE_DISK = frozenset({
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
})  # fmt: skip


def of_the_disk(error: OSError) -> Failure | None:
    """The answer where a folder is full, gone or not ours to read or write: nobody's fault in Gnomon. Else None."""
    if error.errno not in _OF_THE_DISK:
        return None
    where = f"{error.filename}: " if isinstance(error.filename, str) else "The disk: "
    return Failure(507, "disk", f"{where}{(error.strerror or str(error)).lower()}.")


def too_large() -> Failure:
    """The answer to a body above `LARGEST_BODY`."""
    return Failure(
        413, "too_large", f"More than {LARGEST_BODY // 2**20} MB were sent, which is the most that is taken."
    )


def install(app: FastAPI) -> None:
    """Have every exception of `app` answered in this shape."""

    @app.exception_handler(Failure)
    async def _failure(request: Request, fault: Failure) -> Response:
        return fault.answer()

    @app.exception_handler(UserError)
    async def _mistake(request: Request, fault: UserError) -> Response:
        return failure(fault).answer()

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, fault: ClientDisconnect) -> Response:
        return Failure(400, "invalid", "The body breaks off.").answer()  # nobody is left to read this

    @app.exception_handler(OSError)
    async def _disk(request: Request, fault: OSError) -> Response:
        found = of_the_disk(fault)
        if found is None:
            raise fault
        return found.answer()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, fault: RequestValidationError) -> Response:
        first = fault.errors()[0]
        if first["loc"][0] == "path":
            return Failure(404, "not_found", f"There is nothing at {request.url.path}.").answer()
        place, *parts = (each for each in first["loc"] if not _of_pydantic(each))
        field = field_path(parts) if place in ("body", "query", "path") else field_path(first["loc"])
        if first["type"] == "json_invalid":
            return Failure(422, "invalid", "The body is not JSON.").answer()
        named = f"{field}: " if field else ""
        return Failure(422, "invalid", f"{named}{_sentence(first)}", field or None).answer()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, fault: HTTPException) -> Response:
        where = f"{request.method} {request.url.path}"
        match fault.status_code:
            case 404:
                found = Failure(404, "not_found", f"There is nothing at {request.url.path}.")
            case 405:
                found = Failure(405, "method_not_allowed", f"{where} is not a call; see /openapi.json.")
            case 413:
                found = too_large()
            case status:
                found = Failure(status, "invalid", f"{where}: {str(fault.detail).rstrip('.')}.")
        return found.answer()


def _of_pydantic(part: str | int) -> bool:
    """Whether a part of where an error is names a check of pydantic's, as `function-after[_sound(), str]` does."""
    return isinstance(part, str) and part.startswith("function-")


_EXPECTED = {
    "bool": "true or false is expected",
    "dict": "an object is expected",
    "float": "a number is expected",
    "int": "a whole number is expected",
    "list": "a list is expected",
    "model": "an object is expected",
    "string": "a text is expected",
}
"""By how pydantic's names of errors begin: what is expected, in words that are not Python's."""


def _sentence(error: dict[str, Any]) -> str:
    """What pydantic found, as a sentence: "a whole number is expected, not 'x'."."""
    about, _, what = str(error["type"]).partition("_")
    if what in ("type", "parsing", "from_float", "attributes_type") and about in _EXPECTED:
        said = _EXPECTED[about]
    else:
        said = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    said = said[0].lower() + said[1:]
    if error["type"] == "missing":
        return "it is missing."
    if error["type"] == "extra_forbidden":
        return "there is no such key here."
    given = error.get("input")
    if "key" in error["loc"]:  # what was sent may be a provider's secret
        return f"{said}."
    shown = repr(given) if isinstance(given, str | int | float | bool | None) and len(repr(given)) <= 60 else None
    return f"{said}." if shown is None else f"{said}, not {shown}."
