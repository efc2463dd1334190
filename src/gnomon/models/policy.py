"""A policy: a language model with its tokenizer, that samples actions and scores them.

Shapes: N sequences, T action tokens of the longest of them, V tokens in the vocabulary. Lengths are explicit
everywhere: no mask is ever read off a token id, so padding may equal the end-of-sequence token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from gnomon.errors import UserError
from gnomon.models import sampling

transformers.utils.logging.disable_progress_bar()

TokenIds = Sequence[int]


@dataclass(frozen=True)
class Sample:
    """One sampled action. `log_probs` are those of the distribution it was drawn from (temperature included)."""

    token_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    finish_reason: str  # "eos", or "length" where the token limit cut it off


@dataclass(frozen=True)
class ScoredActions:
    """Log-probabilities of given actions: `log_probs`, `entropy`, `mask` are [N, T]; `logits` [N, T, V] if kept."""

    log_probs: Tensor
    entropy: Tensor
    mask: Tensor
    logits: Tensor | None


class Policy:
    """A causal or encoder-decoder model of `transformers` together with its tokenizer."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.is_encoder_decoder = bool(model.config.is_encoder_decoder)
        if tokenizer.eos_token_id is None:
            raise UserError("The tokenizer has no end-of-sequence token; post-training needs one to end an action.")
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.eos

    @property
    def context(self) -> int:
        """The most tokens (prompt and action together) that the model can hold."""
        config = self.model.config
        for name in ("max_position_embeddings", "n_positions", "max_sequence_length"):
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
        return 1 << 30

    @property
    def parameters(self) -> int:
        """How many trainable numbers the model has, tied weights counted once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def encode(self, text: str) -> list[int]:
        """Token ids of a prompt. Special tokens are the tokenizer's own for decoders, none for encoder-decoders."""
        return list(self.tokenizer(text, add_special_tokens=not self.is_encoder_decoder)["input_ids"])

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of several prompts, which is faster than one by one."""
        return [
            list(ids)
            for ids in self.tokenizer(list(texts), add_special_tokens=not self.is_encoder_decoder)["input_ids"]
        ]

    def encode_action(self, text: str) -> list[int]:
        """Token ids of an action's text, the end-of-sequence token included."""
        return [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.eos]

    def decode(self, token_ids: TokenIds) -> str:
        """The text of an action: everything before its end-of-sequence token."""
        ids = list(token_ids)
        if self.eos in ids:
            ids = ids[: ids.index(self.eos)]
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def sample(
        self,
        prompts: Sequence[str] | Sequence[TokenIds],
        n: int = 1,
        *,
        max_tokens: int,
        temperature: float = 1.0,
        seed: int = 0,
        prefixes: Sequence[TokenIds] | None = None,
    ) -> list[Sample]:
        """Draw `n` actions for each prompt, in the prompts' order. Temperature 0 takes the likeliest token.

        `prefixes` are tokens that follow each prompt already, such as earlier actions: a decoder reads them after the
        prompt, an encoder-decoder has them as what its decoder has written so far. Raises UserError for a prompt that
        does not fit the context together with `max_tokens`.
        """
        prompt_ids, written = self._ready(prompts, prefixes, max_tokens)
        return [
            Sample(tuple(ids), tuple(log_probs), "eos" if ids and ids[-1] == self.eos else "length")
            for ids, log_probs in sampling.generate(self, prompt_ids, written, n, max_tokens, temperature, seed)
        ]

    def beam(
        self,
        prompts: Sequence[str] | Sequence[TokenIds],
        beams: int,
        *,
        max_tokens: int,
        prefixes: Sequence[TokenIds] | None = None,
    ) -> list[Sample]:
        """The action with the highest log-probability that the `transformers` library's search with `beams` beams finds
        for each prompt: sums over tokens, the end token included, with no normalisation by length.

        `prefixes` and errors are those of `sample`. The log-probabilities are the policy's own at temperature 1.
        """
        prompt_ids, written = self._ready(prompts, prefixes, max_tokens)
        if not prompt_ids:
            return []
        device = self.model.device
        settings = GenerationConfig(
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            length_penalty=0.0,
            early_stopping=False,
            eos_token_id=self.eos,
            pad_token_id=self.pad,
        )
        if self.is_encoder_decoder:
            start: int = self.model.config.decoder_start_token_id
            settings.decoder_start_token_id = start
            lengths = torch.tensor([len(ids) for ids in prompt_ids])
            tokens = _pad_right(prompt_ids, int(lengths.max()), self.pad)
            mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
            read, read_mask = _pad_left([[start, *ids] for ids in written], self.pad)
            inputs = {"decoder_input_ids": read.to(device), "decoder_attention_mask": read_mask.to(device)}
        else:
            joined = [prompt + prefix for prompt, prefix in zip(prompt_ids, written, strict=True)]
            tokens, mask = _pad_left(joined, self.pad)
            read, inputs = tokens, {}
        # The library fills what `settings` leaves open from the folder's own generation settings (penalties, forced
        # tokens), which would change what is searched for.
        own, self.model.generation_config = self.model.generation_config, GenerationConfig()
        try:
            found = self.model.generate(
                input_ids=tokens.to(device), attention_mask=mask.to(device), generation_config=settings, **inputs
            )
        finally:
            self.model.generation_config = own
        actions = [self._ended(row) for row in found[:, read.shape[1] :].tolist()]
        rests = [prefix + action for prefix, action in zip(written, actions, strict=True)]
        return [
            Sample(
                tuple(action),
                tuple(scores[len(prefix) :].tolist()),
                "eos" if action[-1] == self.eos else "length",
            )
            for action, prefix, scores in zip(actions, written, self.log_probs(prompt_ids, rests), strict=True)
        ]

    def _ready(
        self, prompts: Sequence[str] | Sequence[TokenIds], prefixes: Sequence[TokenIds] | None, max_tokens: int
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Prompts and prefixes as token ids, checked to leave room for `max_tokens`."""
        prompt_ids = [self.encode(prompt) if isinstance(prompt, str) else list(prompt) for prompt in prompts]
        written = [list(ids) for ids in prefixes] if prefixes is not None else [[] for _ in prompt_ids]
        for ids, prefix in zip(prompt_ids, written, strict=True):
            if not self.fits(len(ids), len(prefix) + max_tokens):
                raise UserError(
                    f"A prompt of {len(ids) + len(prefix)} tokens and {max_tokens} tokens to sample do not fit the"
                    f" model's context of {self.context} tokens; prompts of at most {self.context - max_tokens} would."
                )
        return prompt_ids, written

    def _ended(self, token_ids: list[int]) -> list[int]:
        """An action up to and with its end token; whatever stands after that is padding."""
        return token_ids[: token_ids.index(self.eos) + 1] if self.eos in token_ids else token_ids

    def fits(self, prompt_tokens: int, action_tokens: int) -> bool:
        """Whether a prompt and what is written after it fit: together in a decoder, each alone in the two halves."""
        if self.is_encoder_decoder:
            return max(prompt_tokens, action_tokens) <= self.context
        return prompt_tokens + action_tokens <= self.context

    def score(
        self,
        prompt_ids: Sequence[TokenIds],
        action_ids: Sequence[TokenIds],
        *,
        temperature: float = 1.0,
        keep_logits: bool = False,
    ) -> ScoredActions:
        """Differentiable log-probabilities at `temperature` of each action after its prompt, padded to [N, T]."""
        lengths = torch.tensor([len(ids) for ids in action_ids])
        width = max(int(lengths.max()), 1)
        device = self.model.device
        actions = _pad_right(action_ids, width, self.pad).to(device)
        if self.is_encoder_decoder:
            logits = self._decoder_logits(prompt_ids, actions)
        else:
            logits = self._causal_logits(prompt_ids, action_ids, width)
        logits = logits.float()
        if temperature not in (0.0, 1.0):
            logits = logits / temperature
        log_softmax = torch.log_softmax(logits, dim=-1)
        mask = torch.arange(width) < lengths[:, None]
        mask = mask.to(device)
        log_probs = log_softmax.gather(-1, actions[..., None])[..., 0] * mask
        with torch.no_grad():
            entropy = -(log_softmax.exp() * log_softmax).sum(-1) * mask
        return ScoredActions(log_probs, entropy, mask, logits if keep_logits else None)

    def log_probs(
        self, prompt_ids: Sequence[TokenIds], action_ids: Sequence[TokenIds], *, temperature: float = 1.0
    ) -> list[Tensor]:
        """The log-probability of every token of each action, one tensor of the action's own length each."""
        with torch.inference_mode():
            scored = self.score(prompt_ids, action_ids, temperature=temperature)
        return [row[: len(ids)] for row, ids in zip(scored.log_probs, action_ids, strict=True)]

    def _causal_logits(self, prompt_ids: Sequence[TokenIds], action_ids: Sequence[TokenIds], width: int) -> Tensor:
        """Logits [N, width, V] that predict each action token. Padding stands right of everything that is read,
        and attention is causal, so no attention mask is needed."""
        rows = [[*prompt, *action] for prompt, action in zip(prompt_ids, action_ids, strict=True)]
        starts = torch.tensor([len(prompt) for prompt in prompt_ids])
        if int(starts.min()) == 0:
            raise UserError("A prompt has no tokens; a causal model needs at least one to predict the action from.")
        tokens = _pad_right(rows, max(len(row) for row in rows), self.pad).to(self.model.device)
        first = int(starts.min()) - 1  # the earliest position whose prediction is used
        logits = self.model(input_ids=tokens, use_cache=False, logits_to_keep=tokens.shape[1] - first).logits
        positions = (starts - 1 - first)[:, None] + torch.arange(width)
        positions = positions.clamp(max=logits.shape[1] - 1).to(logits.device)
        return logits.gather(1, positions[..., None].expand(-1, -1, logits.shape[-1]))

    def _decoder_logits(self, prompt_ids: Sequence[TokenIds], actions: Tensor) -> Tensor:
        """Logits [N, T, V] of an encoder-decoder: the decoder reads the actions shifted right by one."""
        tokens = _pad_right(prompt_ids, max(len(ids) for ids in prompt_ids), self.pad).to(actions.device)
        lengths = torch.tensor([len(ids) for ids in prompt_ids], device=actions.device)
        attention = (torch.arange(tokens.shape[1], device=actions.device) < lengths[:, None]).long()
        start = torch.full_like(actions[:, :1], self.model.config.decoder_start_token_id)
        logits: Tensor = self.model(
            input_ids=tokens,
            attention_mask=attention,
            decoder_input_ids=torch.cat([start, actions[:, :-1]], dim=1),
            use_cache=False,
        ).logits
        return logits

    def weights(self) -> dict[str, Tensor]:
        """The trainable tensors by name, tied ones once: what has to travel to another copy of this policy."""
        return {name: parameter.data for name, parameter in self.model.named_parameters()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Overwrite the trainable tensors in place with those of another copy."""
        own = self.weights()
        with torch.no_grad():
            for name, tensor in weights.items():
                own[name].copy_(tensor)

    def save(self, folder: str | Path) -> None:
        """Write an ordinary `transformers` folder: config, safetensors weights, tokenizer."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, source: str | Path, *, dtype: str = "float32") -> "Policy":
        """Load a folder written by `save` or by anyone else, a run (its newest policy), or a hub id.

        Raises UserError where there is no such folder or it holds no model.
        """
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        where = find_checkpoint(source)
        try:
            config = AutoConfig.from_pretrained(where)
            auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            model = auto.from_pretrained(where, dtype=getattr(torch, dtype), use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(where)
        except (OSError, ValueError, KeyError) as fault:
            reason = " ".join(str(fault).split())[:300]
            raise UserError(f"No model with a tokenizer could be loaded from {str(source)!r}: {reason}") from fault
        return cls(model, tokenizer)


def find_checkpoint(source: str | Path) -> str:
    """The folder of a model that `source` means: itself, a run's newest policy, or, unchanged, a hub id.

    Raises UserError naming the folder and what was looked for.
    """
    name = str(source)
    folder = Path(name).expanduser()
    if not folder.exists() and name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return name
    if not folder.is_dir():
        raise UserError(f"There is no checkpoint folder {name!r}; a folder with a config.json was looked for.")
    steps = [path for path in folder.glob("checkpoints/*/policy") if path.parent.name.isdigit()]
    newest = sorted(steps, key=lambda path: int(path.parent.name))[-1:]
    for candidate in (folder, folder / "policy", *newest):
        if (candidate / "config.json").is_file():
            return str(candidate)
    raise UserError(
        f"The folder {name!r} is not a model: it holds no config.json (with model.safetensors beside it), no policy/"
        " and no checkpoints/STEP/policy."
    )


def _pad_right(rows: Sequence[TokenIds], width: int, pad: int) -> Tensor:
    return torch.tensor([[*row, *([pad] * (width - len(row)))] for row in rows], dtype=torch.long)


def _pad_left(rows: Sequence[TokenIds], pad: int) -> tuple[Tensor, Tensor]:
    """Rows ending together, and the mask of what is no padding."""
    width = max(len(row) for row in rows)
    tokens = torch.tensor([[*([pad] * (width - len(row))), *row] for row in rows], dtype=torch.long)
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, (torch.arange(width) >= width - lengths[:, None]).long()
