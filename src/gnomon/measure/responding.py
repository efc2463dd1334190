"""Systems that answer an instrument: a SimModel, a model folder by option likelihood, a server over HTTP.

A system is named by a SPEC, as `gnomon measure run --model SPEC` takes it:

    sim:bias=0.3,unknown=0.4,accuracy=0.9     a system whose bias is known (`gnomon.measure.SimModel`)
    policy:DIR                                a model folder or a run of this machine, by likelihood of the options
    http(s)://HOST:PORT/v1?model=NAME         a server that speaks the OpenAI chat completions protocol

Only the last opens a socket, and `--offline` or GNOMON_OFFLINE=1 refuses it. Its key comes from the environment
variable GNOMON_API_KEY alone, goes out in one header, and is cut out of whatever comes back.
"""

import os
import threading
import urllib.parse
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gnomon.errors import UserError
from gnomon.measure.simulation import SimModel
from gnomon.models.chat import OFFLINE, ChatFault, complete, sendable, server_address, shortened
from gnomon.runs.files import sha256

if TYPE_CHECKING:
    from gnomon.measure.instrument import Instrument
    from gnomon.measure.profiles import Profile
    from gnomon.models import Policy

KEY = "GNOMON_API_KEY"
SPECS = "sim:bias=0.3,unknown=0.4,accuracy=0.9, policy:DIR or http(s)://HOST:PORT/v1?model=NAME"
ITEMS_AT_ONCE = 8
"""Items whose options a model folder scores together."""
LONGEST_ANSWER = 64
"""Tokens that a server may write; the options of every family here are shorter."""

Answers = Generator[tuple[str, str], None, None]


class Responder(Protocol):
    """A system that can answer an instrument."""

    def settings(self) -> dict[str, Any]:
        """What identifies the system in a run's settings. Never a key."""

    def respond(self, ins: "Instrument", profile: "Profile | None" = None, *, done: Collection[str] = ()) -> Answers:
        """(item_id, answer) of every item that is not in `done`, in an order of the system's own.

        An item's answer never depends on which others are in `done`. What is impossible raises UserError at once, not
        at the first answer.
        """


def parse_model(
    spec: str, *, model_name: str | None = None, concurrency: int = 4, offline: bool = False
) -> "Simulated | LocalPolicy | Server":
    """The system that `spec` names (see the top of this file).

    `model_name` is the server's model where the address does not say it; `concurrency` is how many requests it gets at
    a time. `offline`, or GNOMON_OFFLINE=1 in the environment, refuses a server. Raises UserError for a spec that names
    nothing, and for `model_name` beside a system that is no server.
    """
    kind, separator, rest = spec.partition(":")
    if kind in ("http", "https") and separator:
        refuse_offline(spec, offline)
        return Server.from_address(spec, model_name, concurrency)
    if model_name is not None:
        raise UserError(f"--model-name {model_name!r} names a server's model; --model {spec!r} is no address.")
    if kind == "sim" and separator:
        return Simulated.from_spec(rest)
    if kind == "policy" and rest:
        return LocalPolicy(Path(rest).expanduser())
    raise UserError(f"--model {spec!r} names no system; expected {SPECS}.")


def refuse_offline(spec: str, offline: bool) -> None:
    """Raise UserError where nothing may be asked over the network."""
    from_environment = os.environ.get(OFFLINE, "") not in ("", "0")
    if offline or from_environment:
        why = "--offline was given" if offline else f"{OFFLINE} is set"
        host = urllib.parse.urlsplit(spec).netloc.rpartition("@")[2]
        raise UserError(
            f"{why}, so no server is asked, and --model names one at {host!r}; recorded answers (--responses), sim: and"
            " policy: need no network."
        )


@dataclass(frozen=True)
class Simulated:
    """A `SimModel` as a system: it reads no text, so a profile changes nothing."""

    bias: float
    unknown: float = 0.5
    accuracy: float = 0.9
    seed: int = 0

    @classmethod
    def from_spec(cls, text: str) -> "Simulated":
        """The system of `bias=0.3,unknown=0.4,accuracy=0.9,seed=0`; `bias` must be there."""
        known = ("bias", "unknown", "accuracy", "seed")
        found: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in known or name in found:
                problem = "stands there twice" if name in found else "is not known"
                raise UserError(f"--model sim:{text}: {name!r} {problem}; expected {', '.join(known)} once each.")
            try:
                found[name] = int(value) if name == "seed" else float(value)
            except ValueError as fault:
                raise UserError(
                    f"--model sim:{text}: {name} = {value!r} is not a number; for example {name}=0.3."
                ) from fault
        if "bias" not in found:
            raise UserError(f"--model sim:{text}: bias is missing; for example sim:bias=0.3,unknown=0.4,accuracy=0.9.")
        system = cls(**found)  # type: ignore[arg-type]
        system.model()
        return system

    def model(self) -> SimModel:
        """The model itself. Raises UserError for a probability outside [0, 1] or a bias outside [-1, 1]."""
        return SimModel(self.bias, unknown=self.unknown, accuracy=self.accuracy, seed=self.seed)

    def settings(self) -> dict[str, Any]:
        """Kind and parameters."""
        parameters = {"bias": self.bias, "unknown": self.unknown, "accuracy": self.accuracy, "seed": self.seed}
        return {"kind": "sim", **parameters}

    def respond(self, ins: "Instrument", profile: "Profile | None" = None, *, done: Collection[str] = ()) -> Answers:
        """The model's answers; an item's answer depends on its id alone."""
        frame = self.model().respond(ins)
        return ((item_id, answer) for item_id, answer in frame.iter_rows() if item_id not in done)


@dataclass(frozen=True)
class LocalPolicy:
    """A model folder: its answer is the option with the highest log-likelihood after the question.

    The likelihood is that of the option's own tokens, neither ended nor normalised by length, as evaluation harnesses
    take it for multiple choice. The first of equally likely options is the answer.
    """

    folder: Path

    def settings(self) -> dict[str, Any]:
        """Kind, folder, and the sha256 of every file that the model is loaded from."""
        where = self._where()
        files = sorted(path for path in where.iterdir() if path.is_file())
        return {"kind": "policy", "folder": str(self.folder), "sha256": {path.name: sha256(path) for path in files}}

    def respond(self, ins: "Instrument", profile: "Profile | None" = None, *, done: Collection[str] = ()) -> Answers:
        """Likeliest options, batch by batch, the shortest questions first.

        Batches are the same whatever is `done`, so that a resumed run adds up the same numbers in the same order.
        Raises UserError for a folder that holds no model, an item that does not fit its context, and an option that its
        tokenizer cannot write.
        """
        from gnomon.models import Policy

        policy = Policy.load(self._where())
        rows = [_tokens(policy, ins, item, profile) for item in ins.items.iter_rows(named=True)]
        order = sorted(range(len(rows)), key=lambda at: (len(rows[at].question), at))
        batches = [
            [rows[at] for at in order[first : first + ITEMS_AT_ONCE]] for first in range(0, len(order), ITEMS_AT_ONCE)
        ]
        return _likeliest(policy, batches, done)

    def _where(self) -> Path:
        if not self.folder.is_dir():
            raise UserError(
                f"--model policy:{self.folder}: there is no such folder; a model folder or a run on this machine is"
                " expected, for nothing is fetched from a hub."
            )
        from gnomon.models.policy import find_checkpoint

        return Path(find_checkpoint(self.folder.resolve()))


@dataclass(frozen=True)
class _Tokens:
    item_id: str
    options: list[str]
    question: list[int]
    continuations: list[list[int]]


def _tokens(policy: "Policy", ins: "Instrument", item: dict[str, Any], profile: "Profile | None") -> _Tokens:
    """An item as token ids: the question as the model reads it, and each option as it would go on."""
    question = ins.rule.question(item)
    prompt = question if profile is None else profile.wrap(question)
    read = policy.encode(prompt) if prompt else []
    if not read:  # a sentence scored by itself follows the token that begins or ends texts
        start = policy.tokenizer.bos_token_id
        read = [policy.eos if start is None else start]
    gap = " " if prompt and not prompt[-1].isspace() and not policy.is_encoder_decoder else ""
    written = [policy.tokenizer(gap + option, add_special_tokens=False)["input_ids"] for option in item["options"]]
    unknown = policy.tokenizer.unk_token_id
    for option, ids in zip(item["options"], written, strict=True):
        if not ids or (unknown is not None and unknown in ids):
            raise UserError(
                f"Item {item['item_id']!r} of {ins.name}: the model's tokenizer cannot write the option {option!r}; a"
                " model of ordinary text is needed."
            )
    longest = max(map(len, written))
    if not policy.fits(len(read), longest):
        raise UserError(
            f"Item {item['item_id']!r} of {ins.name} takes {len(read)} tokens and its longest option {longest}, more"
            f" than the model's context of {policy.context}; a model with a longer context, or a shorter profile, is"
            " needed."
        )
    return _Tokens(item["item_id"], list(item["options"]), read, written)


def _likeliest(policy: "Policy", batches: Sequence[Sequence[_Tokens]], done: Collection[str]) -> Answers:
    for batch in batches:
        if all(row.item_id in done for row in batch):
            continue
        prompts = [row.question for row in batch for _ in row.continuations]
        written = [ids for row in batch for ids in row.continuations]
        scores = [float(each.sum()) for each in policy.log_probs(prompts, written)]
        first = 0
        for row in batch:
            own = scores[first : first + len(row.options)]
            first += len(row.options)
            if row.item_id not in done:
                yield row.item_id, row.options[own.index(max(own))]


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server: one chat completion an item, at temperature 0.

    429 and 5xx, a broken connection and a reply that does not come within `timeout` seconds are tried again up to
    `tries` times in all, after `pause` seconds, then twice that and so on, or after what the server's Retry-After says.
    """

    address: str
    model: str
    concurrency: int = 4
    tries: int = 6
    pause: float = 1.0
    timeout: float = 120.0

    @classmethod
    def from_address(cls, spec: str, model_name: str | None, concurrency: int) -> "Server":
        """The server at an address with `?model=NAME`. Raises UserError for anything else in it, never showing it."""
        address, host, query = server_address(spec, "--model", f"the environment variable {KEY}")
        if others := sorted(query.keys() - {"model"}):
            raise UserError(
                f"--model: the address of {host!r} holds {', '.join(others)}, which would be kept with the run; only"
                f" ?model=NAME may stand there, and a key in the environment variable {KEY}."
            )
        named = [*query.get("model", []), *([] if model_name is None else [model_name])]
        if len(set(named)) != 1 or not named[0]:
            problem = "names no model" if not any(named) else f"names more than one model ({', '.join(named)})"
            raise UserError(f"--model: the address of {host!r} {problem}; give ?model=NAME or --model-name NAME.")
        if concurrency < 1:
            raise UserError(f"--concurrency {concurrency}: a server takes at least 1 request at a time.")
        return cls(address, named[0], concurrency)

    def settings(self) -> dict[str, Any]:
        """Kind, address and model; how the server is asked does not change what is asked."""
        return {"kind": "server", "address": self.address, "model": self.model}

    def respond(self, ins: "Instrument", profile: "Profile | None" = None, *, done: Collection[str] = ()) -> Answers:
        """The server's replies as they come. Raises UserError for an instrument that is answered by likelihood only.

        While answers are drawn, a server that refuses, stays away or replies with something else raises UserError; what
        was answered before stays answered.
        """
        if ins.rule.likelihood_only:
            raise UserError(
                f"{ins.name} is answered by the likelihood of its sentences, which a chat server does not give; use"
                " --model policy:DIR or recorded answers (--responses)."
            )
        key = os.environ.get(KEY, "").strip()
        if not sendable(key):
            raise UserError(f"The environment variable {KEY} holds spaces or characters that no key has; set it anew.")
        asked = [
            (item["item_id"], self._body(ins, item, profile))
            for item in ins.items.iter_rows(named=True)
            if item["item_id"] not in done
        ]
        return self._ask_all(asked, key)

    def _body(self, ins: "Instrument", item: dict[str, Any], profile: "Profile | None") -> dict[str, Any]:
        system = "" if profile is None else profile.system
        messages = [{"role": "system", "content": system}] if system else []
        options = "\n".join(f"- {option}" for option in item["options"])
        asked = (
            f"Reply with exactly one of these, word for word, and nothing else:\n{options}\n\n{ins.rule.question(item)}"
        )
        messages.append({"role": "user", "content": asked})
        return {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": LONGEST_ANSWER}

    def _ask_all(self, asked: Sequence[tuple[str, dict[str, Any]]], key: str) -> Answers:
        """Replies in the order in which they come; never more than `concurrency` requests under way."""
        stop = threading.Event()
        pool = ThreadPoolExecutor(self.concurrency)
        under_way: dict[Future[str], str] = {}
        left = iter(asked)
        try:
            while True:
                while len(under_way) < self.concurrency and (following := next(left, None)) is not None:
                    under_way[pool.submit(self._ask, following[1], key, stop)] = following[0]
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    yield under_way.pop(future), future.result()
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, body: dict[str, Any], key: str, stop: threading.Event) -> str:
        """One reply's text."""
        for attempt in range(1, self.tries + 1):
            pause = self.pause * 2 ** (attempt - 1)
            try:
                return complete(self.address, body, key, timeout=self.timeout).text
            except ChatFault as fault:
                trouble = self._trouble(fault, key)
                pause = pause if fault.retry_after is None else fault.retry_after
            if attempt < self.tries and stop.wait(min(pause, 60.0)):
                break
        raise UserError(
            f"{self.address} could not be asked, {self.tries} tries in a row: {trouble}; try again when it is well."
        )

    def _trouble(self, fault: ChatFault, key: str) -> str:
        """What ails a server that may be asked again. Raises UserError for what another try would not change."""
        if fault.kind == "refused":
            raise UserError(f"Nothing answers at {self.address}: {fault.said}; is the server running?") from None
        if fault.kind == "not_chat":
            raise UserError(
                f"{self.address} replied with {shortened(fault.said)!r}, which is no chat completion; expected an"
                " OpenAI-compatible server."
            ) from fault
        if fault.kind != "status":
            return fault.said
        if fault.passing:
            return f"HTTP {fault.status}"
        if fault.status in (401, 403):
            what = f"does not accept the key of {KEY}" if key else f"asks for a key, and {KEY} is not set"
            said = f"{what} (HTTP {fault.status}); set it to one that the server accepts."
        elif 300 <= fault.status < 400:
            said = f"sends elsewhere (HTTP {fault.status}), which is not followed; give that address."
        else:
            said = (
                f"refused to answer as {self.model!r} (HTTP {fault.status}: {shortened(fault.said)}); expected an"
                " address that ends in /v1 and a model that it serves."
            )
        raise UserError(f"{self.address} {said}") from None
