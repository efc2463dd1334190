"""Small models from a few numbers: a Llama-style decoder and a T5-style encoder-decoder, made from scratch.

Both are plain `transformers` classes, so a saved folder loads with `AutoModelForCausalLM.from_pretrained` or
`AutoModelForSeq2SeqLM.from_pretrained`. Initial weights come from the seed alone.
"""

from typing import TypeVar

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from gnomon.errors import UserError
from gnomon.models.policy import Policy

Model = TypeVar("Model", bound=PreTrainedModel)


def decoder(
    tokenizer: PreTrainedTokenizerFast, *, layers: int, width: int, heads: int, context: int, seed: int
) -> Policy:
    """The `decoder_network` of these numbers over the tokens of `tokenizer`, as a policy."""
    model = decoder_network(
        len(tokenizer),
        layers=layers,
        width=width,
        heads=heads,
        context=context,
        seed=seed,
        pad=tokenizer.pad_token_id,
        eos=tokenizer.eos_token_id,
    )
    return Policy(model, tokenizer)


def decoder_network(
    vocab_size: int,
    *,
    layers: int,
    width: int,
    heads: int,
    context: int,
    seed: int,
    ffn: int | None = None,
    bias: bool = False,
    tied: bool = True,
    pad: int | None = None,
    eos: int | None = None,
) -> LlamaForCausalLM:
    """A decoder-only language model with rotary positions in training mode; `context` is the most tokens it can hold.

    `ffn` is the hidden size of the gated feed-forward layers (None: 8/3 of the width). `bias` gives every linear layer
    but the output head one; `tied` makes the output head the token embedding. `pad` and `eos` are the ids of those
    tokens. Raises UserError where `heads` do not divide `width` into heads of an even size.
    """
    _check_heads(width, heads)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=_feed_forward(width) if ffn is None else ffn,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        attention_bias=bias,
        mlp_bias=bias,
        tie_word_embeddings=tied,
        initializer_range=_spread(width),
        pad_token_id=pad,
        eos_token_id=eos,
        bos_token_id=None,
    )
    return _seeded(LlamaForCausalLM, config, seed)


def encoder_decoder(
    tokenizer: PreTrainedTokenizerFast, *, layers: int, width: int, heads: int, context: int, seed: int
) -> Policy:
    """An encoder-decoder with relative positions: the encoder reads the prompt, the decoder writes the action."""
    _check_heads(width, heads)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=width // heads,
        d_ff=_feed_forward(width),
        num_layers=layers,
        num_heads=heads,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        n_positions=context,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    return Policy(_seeded(T5ForConditionalGeneration, config, seed), tokenizer)


def _check_heads(width: int, heads: int) -> None:
    if width % heads or (width // heads) % 2:
        raise UserError(
            f"model.width = {width} does not divide into model.heads = {heads} heads of an even size;"
            f" a width of {heads * 2 * max(1, round(width / heads / 2))} would."
        )


def _spread(width: int) -> float:
    """Standard deviation of the initial weights, (2 width)^(-1/2): the library's 0.02 suits widths near 1,000, and
    slows a narrow model down (at width 96 the same 45 seconds of training reach 0.63 accuracy instead of 0.40)."""
    return float((2 * width) ** -0.5)


def _feed_forward(width: int) -> int:
    """Hidden size of a gated feed-forward layer: 8/3 of the width, rounded up to a multiple of 32."""
    return -(-8 * width // 3 // 32) * 32


def _seeded(model_class: type[Model], config: object, seed: int) -> Model:
    # transformers initialises from torch's global generator; fork_rng gives that back untouched.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model_class(config)
