"""Tokenizers for models built here: one token per symbol of a task, or byte-pair encoding learned from text.

Both are ordinary fast tokenizers of the `tokenizers` library, saved with the model they belong to.
"""

import re
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gnomon.errors import UserError

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def symbol_tokenizer(symbols: Sequence[str]) -> PreTrainedTokenizerFast:
    """One token for each of `symbols` (characters, or longer units such as `" AH"`), the longest match first."""
    units = sorted(set(symbols), key=lambda unit: (-len(unit), unit))
    if not units or any(not unit for unit in units):
        raise UserError("A symbol tokenizer needs at least one symbol, and none of them empty.")
    vocabulary = {token: index for index, token in enumerate([PAD, EOS, UNKNOWN, *sorted(units)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(map(re.escape, units))), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return _wrap(tokenizer)


def bpe_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Byte-level byte-pair encoding learned from `texts`: any text can be written, none is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrap(tokenizer)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each byte: any text can be written, and nothing has to be learned."""
    return bpe_tokenizer([], 0)


def byte_token_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The token id of every byte value from 0 to 255 in a byte-level tokenizer without merges."""
    # The tokenizers library shows a byte as a printable character; decoding a single character gives the byte back.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    shown = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    return [int(tokenizer.convert_tokens_to_ids(shown[byte])) for byte in range(256)]


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    unknown = UNKNOWN if tokenizer.token_to_id(UNKNOWN) is not None else None
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=unknown,
        clean_up_tokenization_spaces=False,
    )
