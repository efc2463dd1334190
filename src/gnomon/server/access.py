"""Who may use the server: other users and other pages of this machine can reach its port, too.

A browser comes in with a one-time code that stands in the fragment of the address it was opened with, and gets a cookie
that scripts cannot read; programs send the token. Requests under another host name, and writes or calls from another
page, are refused. `Guard` checks all of this before any route is asked, and gives every answer its headers.
"""

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gnomon.server.failures import LARGEST_BODY, Failure, fault, too_large

OPEN_CALLS = {("GET", "/api/health"), ("POST", "/api/session")}
"""What may be called by whoever reaches the port under its own name."""

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every answer whose route gives no other."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_DRAINED = 10 * LARGEST_BODY  # bytes of a body that is too large which are read, so that its sender sees the answer


class Access:
    """The secrets of one server on `port`: the token, the cookie's value and the codes that have not been used."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.token = secrets.token_urlsafe(32)
        self.cookie = f"gnomon-{port}"  # a cookie is sent to every port of a host, so its name has ours
        self.session = secrets.token_urlsafe(32)
        self._codes: set[str] = set()

    def new_code(self) -> str:
        """A code that one browser can exchange for the cookie, once."""
        code = secrets.token_urlsafe(32)
        self._codes.add(code)
        return code

    def redeem(self, code: str) -> bool:
        """Whether `code` was given out and not used; it is used from now on."""
        found = [each for each in self._codes if _same(each, code)]
        self._codes.difference_update(found)
        return bool(found)

    def holds_token(self, headers: Headers) -> bool:
        """Whether a request has the token."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(given.strip(), self.token)

    def holds_cookie(self, headers: Headers) -> bool:
        """Whether a request comes from a browser that was let in."""
        return any(_same(cookie_parser(line).get(self.cookie, ""), self.session) for line in headers.getlist("cookie"))

    @property
    def hosts(self) -> tuple[str, str]:
        """The names this server has."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"


class Guard:
    """The middleware that lets through what `Access` allows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, received = False, 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise HTTPException(413)
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            if refusal.status == 413:
                await _drain(receive)
            await refusal.answer()(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive_counted, send_with_headers)
        except Exception:
            if not started:
                await fault().answer()(scope, receive, send_with_headers)
            raise

    def _refusal(self, method: str, path: str, headers: Headers) -> Failure | None:
        """Why a request is not answered; None where it is."""
        hosts = self._access.hosts
        named = headers.getlist("host")
        if len(named) != 1 or named[0].lower() not in hosts:
            return Failure(403, "forbidden", f"This server answers as {hosts[0]} or {hosts[1]} only.")
        call, write = path == "/api" or path.startswith("/api/"), method not in ("GET", "HEAD")
        origins = headers.getlist("origin")
        if write and any(origin not in {f"http://{host}" for host in hosts} for origin in origins):
            return Failure(403, "forbidden", "Another page may not change anything here.")
        if (write or call) and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return Failure(403, "forbidden", "Another page may not call this server.")
        let_in = self._access.holds_token(headers) or self._access.holds_cookie(headers)
        if call and (method, path) not in OPEN_CALLS and not let_in:
            return Failure(
                401, "unauthorized", "Open the address that was printed when Gnomon was started, or send its token."
            )
        size = headers.get("content-length", "")
        return too_large() if size.isascii() and size.isdecimal() and int(size) > LARGEST_BODY else None


def _complete(headers: MutableHeaders, path: str) -> None:
    """What every answer says, where its route says nothing else."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store" if path.startswith("/api/") else "no-cache")


async def _drain(receive: Receive) -> None:
    size = 0
    while size <= _DRAINED:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _same(given: str, secret: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
