"""A checkpoint of the run store as a provider: small, trained here, on this machine."""

import json
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.story.providers.protocol import Cancelled, ProviderError, Reply, wire

if TYPE_CHECKING:
    from gnomon.models import Policy


class Runs:
    """The newest policy of a run, or any model folder, sampled once for each request.

    The prompt is the request as it goes over the wire and a line end. What the model writes is taken as the new span,
    unless it is a JSON object. A request that does not fit its context is sent without what surrounds the span.
    """

    prices = (0.0, 0.0)

    def __init__(
        self, run: str | Path, *, name: str = "", max_tokens: int = 256, temperature: float = 1.0, seed: int = 0
    ) -> None:
        self.run = Path(run).expanduser()
        self.name = name or f"{self.run.name} (small, trained here)"
        self.max_tokens, self.temperature, self.seed = max_tokens, temperature, seed
        self._asked = 0

    @cached_property
    def _policy(self) -> "Policy":
        from gnomon.models import Policy

        return Policy.load(self.run)

    def complete(
        self,
        request: Mapping[str, Any],
        *,
        on_text: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Reply:
        """One sample. `usage["turn"]` holds what post-training needs of it."""
        if stop is not None and stop.is_set():
            raise Cancelled
        policy = self._policy
        for shorter in (
            request,
            {**request, "before": "", "after": ""},
            {**request, "before": "", "after": "", "cast": []},
        ):
            prompt = prompt_of({key: value for key, value in shorter.items() if key in request})
            prompt_ids = policy.encode(prompt)
            if policy.fits(len(prompt_ids), self.max_tokens):
                break
        else:
            raise ProviderError(
                f"{self.name} holds {policy.context} tokens, and this passage takes {len(prompt_ids)} with"
                f" {self.max_tokens} to write; a shorter scope is needed."
            )
        self._asked += 1
        (sample,) = policy.sample(
            [prompt_ids], max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed + self._asked - 1
        )
        text = policy.decode(sample.token_ids)
        if on_text is not None:
            on_text(text)
        turn = {
            "prompt_ids": prompt_ids,
            "action_ids": list(sample.token_ids),
            "behaviour_log_probs": list(sample.log_probs),
            "policy_version": 0,
            "temperature": self.temperature,
        }
        usage = {
            "prompt_tokens": len(prompt_ids),
            "completion_tokens": len(sample.token_ids),
            "prompt": prompt,
            "turn": turn,
        }
        return Reply(_content(text), sample.finish_reason, usage)


def prompt_of(request: Mapping[str, Any]) -> str:
    """What a checkpoint reads: the request, and a line end after which it writes."""
    return wire(request) + "\n"


def _content(text: str) -> str:
    try:
        if isinstance(json.loads(text), dict):
            return text
    except (ValueError, RecursionError):
        pass
    return json.dumps({"text": text}, ensure_ascii=False)
