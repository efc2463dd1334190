"""Sampling: prefill each prompt once, share its cache among the prompt's samples, then one token at a time.

Randomness comes from one explicit generator per call, and the log-probabilities returned are those of the very
distribution each token was drawn from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gnomon.models.policy import Policy


@torch.inference_mode()
def generate(
    policy: "Policy",
    prompt_ids: Sequence[list[int]],
    prefixes: Sequence[list[int]],
    n: int,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> list[tuple[list[int], list[float]]]:
    """`n` actions after each prompt and prefix as (token ids, log-probabilities), prompt by prompt. An action ends with
    the end-of-sequence token, which is part of it, or at `max_tokens`."""
    if not prompt_ids:
        return []
    generator = torch.Generator(device=policy.model.device).manual_seed(seed)
    decode: _EncoderDecoder | _Causal
    if policy.is_encoder_decoder:
        decode = _EncoderDecoder(policy, prompt_ids, prefixes, n)
    else:
        decode = _Causal(policy, [prompt + prefix for prompt, prefix in zip(prompt_ids, prefixes, strict=True)], n)
    logits = decode.first_logits()
    total = logits.shape[0]
    tokens = torch.full((total, max_tokens), policy.pad, device=logits.device)
    log_probs = torch.zeros((total, max_tokens), device=logits.device)
    lengths = torch.full((total,), max_tokens, device=logits.device)
    rows = torch.arange(total, device=logits.device)  # which sample each row of the batch belongs to
    alive = torch.ones(total, dtype=torch.bool, device=logits.device)
    for position in range(max_tokens):
        chosen, chosen_log_probs = _draw(logits, temperature, generator)
        tokens[rows[alive], position] = chosen[alive]
        log_probs[rows[alive], position] = chosen_log_probs[alive]
        lengths[rows[alive & (chosen == policy.eos)]] = position + 1
        alive &= chosen != policy.eos
        if position + 1 == max_tokens or not bool(alive.any()):
            break
        # Shrinking the cache costs a copy of it, so finished rows are dropped once they are a quarter of all.
        if int(alive.sum()) <= 0.75 * len(alive):
            kept = alive.nonzero()[:, 0]
            decode.keep(kept)
            rows, chosen, alive = rows[kept], chosen[kept], alive[kept]
        logits = decode.next_logits(chosen)
    return [
        (ids[:length], values[:length])
        for ids, values, length in zip(tokens.tolist(), log_probs.tolist(), lengths.tolist(), strict=True)
    ]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    logits = logits.float()
    if temperature > 0:
        log_softmax = torch.log_softmax(logits / temperature, dim=-1)
        # argmax of log p - log E with E ~ Exp(1) is a draw from p (the Gumbel-max trick).
        noise = torch.empty_like(log_softmax).exponential_(generator=generator)
        chosen = (log_softmax - noise.log()).argmax(-1)
    else:
        log_softmax = torch.log_softmax(logits, dim=-1)
        chosen = log_softmax.argmax(-1)
    return chosen, log_softmax.gather(-1, chosen[:, None])[:, 0]


class _Causal:
    """Decoding state of a causal model. Prompts of unequal length are padded on the left and masked."""

    def __init__(self, policy: "Policy", prompt_ids: Sequence[Sequence[int]], n: int) -> None:
        self.model = policy.model
        device = self.model.device
        width = max(len(ids) for ids in prompt_ids)
        padded = [[*([policy.pad] * (width - len(ids))), *ids] for ids in prompt_ids]
        self.tokens = torch.tensor(padded, device=device)
        lengths = torch.tensor([len(ids) for ids in prompt_ids], device=device)
        self.n = n
        self.mask: Tensor | None = None  # None where every prompt has the same length: nothing is padded
        if int(lengths.min()) < width:
            self.mask = (torch.arange(width, device=device) >= width - lengths[:, None]).long()
        self.positions = lengths - 1
        self.cache: Any = None

    def first_logits(self) -> Tensor:
        arguments: dict[str, Any] = {}
        if self.mask is not None:
            positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
            arguments = {"attention_mask": self.mask, "position_ids": positions}
            self.mask = self.mask.repeat_interleave(self.n, 0)
        output = self.model(input_ids=self.tokens, use_cache=True, logits_to_keep=1, **arguments)
        self.cache = output.past_key_values
        self.cache.batch_repeat_interleave(self.n)
        self.positions = self.positions.repeat_interleave(self.n)
        return output.logits[:, -1].repeat_interleave(self.n, 0)

    def keep(self, kept: Tensor) -> None:
        self.cache.batch_select_indices(kept)
        self.positions = self.positions[kept]
        if self.mask is not None:
            self.mask = self.mask[kept]

    def next_logits(self, chosen: Tensor) -> Tensor:
        self.positions = self.positions + 1
        arguments: dict[str, Any] = {}
        if self.mask is not None:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(chosen), 1)], dim=1)
            arguments = {"attention_mask": self.mask, "position_ids": self.positions[:, None]}
        output = self.model(input_ids=chosen[:, None], past_key_values=self.cache, use_cache=True, **arguments)
        return output.logits[:, -1]


class _EncoderDecoder:
    """Decoding state of an encoder-decoder: each prompt is encoded once, each prefix read by the decoder. Prefixes of
    unequal length are padded on the left and masked, which relative positions do not notice."""

    def __init__(
        self, policy: "Policy", prompt_ids: Sequence[Sequence[int]], prefixes: Sequence[list[int]], n: int
    ) -> None:
        self.model = policy.model
        device = self.model.device
        width = max(len(ids) for ids in prompt_ids)
        padded = [[*ids, *([policy.pad] * (width - len(ids)))] for ids in prompt_ids]
        lengths = torch.tensor([len(ids) for ids in prompt_ids], device=device)
        mask = (torch.arange(width, device=device) < lengths[:, None]).long()
        encoder = self.model.get_encoder()
        hidden = encoder(input_ids=torch.tensor(padded, device=device), attention_mask=mask).last_hidden_state
        self.hidden = hidden.repeat_interleave(n, 0)
        self.mask = mask.repeat_interleave(n, 0)
        start = self.model.config.decoder_start_token_id
        longest = max(len(ids) for ids in prefixes)
        written = [[*([policy.pad] * (longest - len(ids))), start, *ids] for ids in prefixes]
        self.written = torch.tensor(written, device=device).repeat_interleave(n, 0)
        self.written_mask: Tensor | None = None  # None where nothing is padded
        if any(len(ids) < longest for ids in prefixes):
            sizes = torch.tensor([len(ids) + 1 for ids in prefixes], device=device)
            there = torch.arange(longest + 1, device=device) >= longest + 1 - sizes[:, None]
            self.written_mask = there.long().repeat_interleave(n, 0)
        self.cache: Any = None

    def first_logits(self) -> Tensor:
        return self._read(self.written)

    def keep(self, kept: Tensor) -> None:
        self.cache.batch_select_indices(kept)
        self.hidden, self.mask = self.hidden[kept], self.mask[kept]
        if self.written_mask is not None:
            self.written_mask = self.written_mask[kept]

    def next_logits(self, chosen: Tensor) -> Tensor:
        if self.written_mask is not None:
            self.written_mask = torch.cat([self.written_mask, self.written_mask.new_ones(len(chosen), 1)], dim=1)
        return self._read(chosen[:, None])

    def _read(self, tokens: Tensor) -> Tensor:
        arguments = {} if self.written_mask is None else {"decoder_attention_mask": self.written_mask}
        output = self.model(
            encoder_outputs=(self.hidden,),
            attention_mask=self.mask,
            decoder_input_ids=tokens,
            past_key_values=self.cache,
            use_cache=True,
            **arguments,
        )
        self.cache = output.past_key_values
        return output.logits[:, -1]
