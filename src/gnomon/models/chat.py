"""One request to a server that speaks the OpenAI chat completions protocol, over the standard library.

A request either gives a `Completion` or raises a `ChatFault` that says of what kind the trouble is; whether to try
again, and what to tell a person, is the caller's. The key goes out in one header, is cut out of whatever comes back,
and stands in no message. A redirect is not followed: it would carry the key to an address nobody named.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gnomon.errors import UserError

OFFLINE = "GNOMON_OFFLINE"
"""Set to anything but 0, no server is asked anything."""

FaultKind = Literal["refused", "connection", "timeout", "cut", "status", "not_chat", "cancelled"]


class ChatFault(Exception):
    """A request without an answer.

    `refused`: nobody listens there; `connection`: another fault of the network; `cut`: a reply that breaks off;
    `timeout`: no whole reply in time;
    `status`: an HTTP `status` other than 200, with what the server `said`; `not_chat`: a reply that is no chat
    completion (`said`); `cancelled`: the caller's `stop` was set. `retry_after` are the seconds the server asks for.
    """

    def __init__(self, kind: FaultKind, said: str, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(said)
        self.kind: FaultKind = kind
        self.said = said
        self.status = status
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether another try may help: HTTP 429 and 5xx, and faults of the connection."""
        return self.kind in ("refused", "connection", "cut") or (
            self.kind == "status" and (self.status == 429 or self.status >= 500)
        )


@dataclass(frozen=True)
class Completion:
    """What a server wrote. `usage` are its own counts (`prompt_tokens`, `completion_tokens`), where it gives them."""

    text: str
    finish_reason: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)


def server_address(address: str, name: str, key_from: str) -> tuple[str, str, dict[str, list[str]]]:
    """An address without its query and last slash, its host, and the query.

    In errors `name` says whose address it is, and `key_from` where a key belongs.

    Raises UserError for an address without a host, or with a user or password in it, which it never shows.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        port = "" if parts.port is None else f":{parts.port}"
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
    except ValueError as fault:
        raise UserError(f"{name} {address!r} is not an address: {fault}; expected http(s)://HOST:PORT/v1.") from fault
    host = parts.hostname or ""
    if not host or parts.scheme not in ("http", "https"):
        raise UserError(f"{name} {address!r} names no host; expected http(s)://HOST:PORT/v1.")
    if parts.username is not None or parts.password is not None:
        raise UserError(
            f"{name}: the address of {host!r} holds a user or password, which would be kept with it; give a key in"
            f" {key_from} instead."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}", host, query


def sendable(key: str) -> bool:
    """Whether a key can stand in a header."""
    return key.isascii() and key.isprintable() and " " not in key


def complete(
    address: str,
    body: Mapping[str, Any],
    key: str = "",
    *,
    timeout: float,
    stop: threading.Event | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Completion:
    """POST `body` to `address`/chat/completions, once. `timeout` is for all of it, in seconds.

    `stop`, set from another thread, ends it at once. With `on_text` the server is asked to stream, and each piece is
    handed over as it comes; a server that does not stream gives one piece. Raises ChatFault.
    """
    asked = dict(body)
    if on_text is not None:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(f"{address}/chat/completions", json.dumps(asked).encode(), headers)
    if stop is not None and stop.is_set():
        raise ChatFault("cancelled", "cancelled")
    host = urllib.parse.urlsplit(address).hostname or ""
    with _Watch(timeout, stop) as watch:
        try:
            with watch.opener(near=host == "localhost" or host.startswith("127.") or host == "::1").open(
                request, timeout=timeout
            ) as reply:
                if "event-stream" in reply.headers.get("Content-Type", ""):
                    return _streamed(reply, key, on_text)
                completion = _completion(_readable(reply.read(), key))
        except ChatFault as fault:
            raise (fault if watch.why is None else ChatFault(watch.why, "no whole reply")) from None
        except urllib.error.HTTPError as refusal:
            raise _status(refusal, key) from None
        except (OSError, http.client.HTTPException) as fault:
            raise watch.fault(fault) from None
    if on_text is not None:
        on_text(completion.text)
    return completion


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Watch:
    """Shuts a request's connection when its time is over or `stop` is set, wherever it waits."""

    def __init__(self, timeout: float, stop: threading.Event | None) -> None:
        self.deadline = time.monotonic() + timeout
        self.stop = stop
        self.sockets: list[socket.socket] = []
        self.done = threading.Event()
        self.why: FaultKind | None = None

    def __enter__(self) -> "_Watch":
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()

    def _run(self) -> None:
        while not self.done.wait(0.05):
            stopped = self.stop is not None and self.stop.is_set()
            if stopped or time.monotonic() > self.deadline:
                self.why = "cancelled" if stopped else "timeout"
                for each in self.sockets:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def opener(self, near: bool) -> urllib.request.OpenerDirector:
        """One whose connections this watch knows; no proxy stands between it and a server on this machine (`near`)."""
        watch = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                watch.sockets.append(self.sock)

        class Secure(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watch.sockets.append(self.sock)

        class HTTP(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class HTTPS(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Secure, req)

        proxies = [urllib.request.ProxyHandler({})] if near else []
        return urllib.request.build_opener(_NoRedirects, HTTP, HTTPS, *proxies)

    def fault(self, fault: Exception) -> ChatFault:
        """What an exception of the network means, given why the connection was shut."""
        reason = getattr(fault, "reason", fault)
        if self.why == "cancelled":
            return ChatFault("cancelled", "cancelled")
        if self.why == "timeout" or isinstance(reason, TimeoutError):
            return ChatFault("timeout", "no reply in time")
        if isinstance(reason, http.client.IncompleteRead):
            return ChatFault("cut", "a reply that breaks off")
        kind: FaultKind = "refused" if isinstance(reason, ConnectionRefusedError) else "connection"
        return ChatFault(kind, str(reason) or type(reason).__name__)


def _status(refusal: urllib.error.HTTPError, key: str) -> ChatFault:
    said = str(refusal.reason)
    with contextlib.suppress(OSError, http.client.HTTPException):
        said = _readable(refusal.read(), key)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = str(json.loads(said)["error"]["message"])
    retry_after = None
    with contextlib.suppress(ValueError):  # a date, which the header may also hold, is not read
        retry_after = max(0.0, float(refusal.headers.get("Retry-After", "")))
    refusal.close()
    return ChatFault("status", said, status=refusal.code, retry_after=retry_after)


def _completion(reply: str) -> Completion:
    try:
        answer = json.loads(reply)
        choice = answer["choices"][0]
        message = choice["message"]
        content = message["content"] if message["content"] is not None else message.get("refusal") or ""
        if not isinstance(content, str):
            raise TypeError("content is no text")
        return Completion(content, str(choice.get("finish_reason") or ""), _usage(answer))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ChatFault("not_chat", reply) from None


def _streamed(reply: http.client.HTTPResponse, key: str, on_text: Callable[[str], None] | None) -> Completion:
    """The pieces of a server-sent stream, put together. A stream that ends before it says so is a broken one."""
    pieces: list[str] = []
    finish_reason, ended = "", False
    usage: Mapping[str, int] = {}
    for raw in reply:
        line = _readable(raw, key).strip()
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            ended = True
            break
        try:
            part = json.loads(data)
            if "error" in part:
                raise ChatFault("status", str(part["error"]), status=500)
            usage = _usage(part) or usage
            for choice in part["choices"][:1]:
                piece = choice["delta"].get("content") or ""
                finish_reason = str(choice.get("finish_reason") or finish_reason)
                pieces.append(piece)
                if piece and on_text is not None:
                    on_text(piece)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise ChatFault("not_chat", line) from None
    if not (ended or finish_reason):
        raise http.client.IncompleteRead(b"")
    return Completion("".join(pieces), finish_reason, usage)


def _usage(answer: Mapping[str, Any]) -> dict[str, int]:
    found = answer.get("usage") or {}
    names = ("prompt_tokens", "completion_tokens")
    return {name: found[name] for name in names if isinstance(found.get(name), int)}


def _readable(body: bytes, key: str) -> str:
    text = body.decode("utf-8", errors="replace")
    return text.replace(key, "[key]") if key else text


def shortened(text: str) -> str:
    """What a server said, short enough for one sentence."""
    words = " ".join(text.split())
    return words if len(words) <= 120 else f"{words[:120]}…"
