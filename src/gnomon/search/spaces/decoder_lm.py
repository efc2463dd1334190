"""Decoder language models: width, layers, heads and the size of the feed-forward layers, within a band of parameters.

An architecture is written `width=384;layers=10;heads=12;ffn=1536;bias=0`. `heads` and `ffn` may be comma lists with one
number for each layer: such architectures are described and ranked, while `models` builds layers that are alike.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.errors import UserError
from gnomon.search.spaces.space import Arch, Space

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

KEYS = ("width", "layers", "heads", "ffn", "bias")


class DecoderLM(Space):
    """The decoders that `gnomon.models.build.decoder_network` makes, over `vocab_size` tokens and `context` positions.

    A feed-forward layer's hidden size is the gene `ffn_ratio` times the width, to the nearest whole number, so that
    another width keeps the ratio. `heads` divide the width into heads of an even size, as rotary positions need.
    `min_params` and `max_params` bound all parameters of a network, embeddings included; `tied` says whether the output
    head is the token embedding. The defaults read bytes: the vocabulary of `gnomon.models.tokenizers.byte_tokenizer`.

    Raises UserError for an option that is no such number, and for a band that no architecture lies in, naming the
    smallest, the largest or the nearest sizes there are.
    """

    name = "decoder-lm"
    task = "tokens"

    def __init__(
        self,
        vocab_size: int = 258,
        context: int = 64,
        max_params: int | None = None,
        min_params: int | None = None,
        widths: Sequence[int] = (32, 48, 64, 96, 128, 192, 256),
        depths: Sequence[int] = (1, 2, 3, 4, 6, 8),
        heads: Sequence[int] = (1, 2, 3, 4, 6, 8),
        ffn_ratios: Sequence[float] = (1, 2, 3, 4),
        tied: bool = True,
    ) -> None:
        self.vocab_size = _whole("vocab_size", vocab_size, 2)
        self.context = _whole("context", context)
        self.min_params = None if min_params is None else _whole("min_params", min_params)
        self.max_params = None if max_params is None else _whole("max_params", max_params)
        self.tied = bool(tied)
        self.genes = {
            "width": _several("widths", widths, _whole),
            "layers": _several("depths", depths, _whole),
            "heads": _several("heads", heads, _whole),
            "ffn_ratio": _several("ffn_ratios", ffn_ratios, _ratio),
            "bias": (0,),
        }
        self._check_ratios()
        self._size = self._count_allowed()

    def _check_ratios(self) -> None:
        for width in self.genes["width"]:
            hidden = [_hidden(ratio, width) for ratio in self.genes["ffn_ratio"]]
            if 0 in hidden or len(set(hidden)) < len(hidden):
                what = "gives no hidden unit" if 0 in hidden else "gives two ratios the same hidden size"
                raise UserError(
                    f"decoder-lm: ffn_ratios {_listed(self.genes['ffn_ratio'])} with width = {width} {what};"
                    " every ratio times every width must be another number of units."
                )

    def _count_allowed(self) -> int:
        """How many architectures lie in the band. The heads leave the number of parameters as it is."""
        widths, depths, heads, ratios, _ = self.genes.values()
        splits = np.array([sum(_even(width, count) for count in heads) for width in widths])
        if not splits.any():
            raise UserError(
                f"decoder-lm: none of heads = {_listed(heads)} divides any of widths = {_listed(widths)} into heads of"
                " an even size."
            )
        w, d = np.array(widths)[:, None, None], np.array(depths)[None, :, None]
        hidden = np.array([[_hidden(ratio, width) for ratio in ratios] for width in widths])[:, None, :]
        sizes = _in_layers(w, d, d * hidden, 0) + self._at_the_ends(w)
        possible = np.unique(sizes[splits > 0])
        low = possible[0] if self.min_params is None else self.min_params
        high = possible[-1] if self.max_params is None else self.max_params
        if high < possible[0]:
            raise UserError(
                f"decoder-lm: max_params = {high} is below the smallest possible size, {possible[0]} parameters."
            )
        if low > possible[-1]:
            raise UserError(
                f"decoder-lm: min_params = {low} is above the largest possible size, {possible[-1]} parameters."
            )
        if low > high:
            raise UserError(f"decoder-lm: min_params = {low} is above max_params = {high}.")
        inside = (sizes >= low) & (sizes <= high)
        if not (inside & (splits > 0)[:, None, None]).any():
            below, above = possible[possible < low][-1], possible[possible > high][0]
            raise UserError(
                f"decoder-lm: no architecture has {low} to {high} parameters; the nearest have {below} and {above}."
            )
        return int((inside * splits[:, None, None]).sum())

    @property
    def size(self) -> int:
        """How many architectures of the listed options lie in the band."""
        return self._size

    def allowed(self, arch: Arch) -> bool:
        """Whether lists are as long as there are layers, heads divide the width, and the size lies in the band."""
        width, layers, heads, ratios, _ = arch
        if any(isinstance(gene, tuple) and len(gene) != layers for gene in (heads, ratios)):
            return False
        if not all(_even(width, count) for count in _values(heads)):
            return False
        params = self.describe(arch)["params"]
        return (self.min_params is None or params >= self.min_params) and (
            self.max_params is None or params <= self.max_params
        )

    def encode(self, arch: Arch) -> str:
        """`width=W;layers=L;heads=H;ffn=F;bias=B`, with comma lists where the layers differ in a gene."""
        width, layers, heads, ratios, bias = arch
        hidden = (
            tuple(_hidden(ratio, width) for ratio in ratios) if isinstance(ratios, tuple) else _hidden(ratios, width)
        )
        values = (width, layers, heads, hidden, bias)
        return ";".join(f"{key}={_text(value)}" for key, value in zip(KEYS, values, strict=True))

    def decode(self, text: str) -> Arch:
        """The architecture written as `text`, whether or not the space lists its values; without `bias` it has none.

        Raises UserError naming the text, the key, and what was expected of it.
        """
        given = self._read(text)
        width, layers, bias = given["width"], given["layers"], given["bias"]
        for key in ("heads", "ffn"):
            if isinstance(given[key], tuple) and len(given[key]) != layers:
                raise self._no_architecture(
                    text,
                    f"{key} lists {len(given[key])} numbers for layers = {layers}; one number, or one for each layer,",
                )
        for count in _values(given["heads"]):
            if not _even(width, count):
                raise self._no_architecture(
                    text,
                    f"heads = {count} does not divide width = {width} into heads of an even size; a number that does",
                )
        hidden = given["ffn"]
        ratios = (
            tuple(self._ratio_of(units, width) for units in hidden)
            if isinstance(hidden, tuple)
            else self._ratio_of(hidden, width)
        )
        return (width, layers, given["heads"], ratios, bias)

    def _read(self, text: str) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for part in text.strip().split(";"):
            key, equals, raw = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise self._no_architecture(
                    text, f"{part.strip()!r} is no key=value; {';'.join(f'{k}=…' for k in KEYS)}"
                )
            if key not in KEYS:
                raise self._no_architecture(text, f"{key!r} is no key; one of {', '.join(KEYS)}")
            if key in given:
                raise self._no_architecture(text, f"{key} stands twice; one value")
            numbers = tuple(_positive(number) for number in raw.split(","))
            if key == "bias":
                if raw not in ("0", "1"):
                    raise self._no_architecture(text, f"bias = {raw!r}; 0 or 1")
                given[key] = int(raw)
            elif None in numbers:
                raise self._no_architecture(text, f"{key} = {raw!r} is no number; a whole number from 1 on")
            elif len(numbers) > 1 and key in ("width", "layers"):
                raise self._no_architecture(text, f"{key} = {raw!r} is a list; one number for all layers")
            else:
                given[key] = numbers if len(numbers) > 1 else numbers[0]
        given.setdefault("bias", 0)
        for key in KEYS:
            if key not in given:
                raise self._no_architecture(text, f"{key} is missing; {key}=NUMBER")
        return given

    def _no_architecture(self, text: str, what: str) -> UserError:
        return UserError(f"{text!r} is no architecture of {self.name!r}: {what} is expected.")

    def _ratio_of(self, hidden: int, width: int) -> Fraction:
        """The listed ratio that gives `hidden` units at `width`, the exact one where none does."""
        listed = (ratio for ratio in self.genes["ffn_ratio"] if _hidden(ratio, width) == hidden)
        return next(listed, Fraction(hidden, width))

    def build(self, arch: Arch, *, seed: int) -> "LlamaForCausalLM":
        """The `transformers` model. Raises UserError where layers differ in heads or feed-forward size."""
        from gnomon.models.build import decoder_network

        width, layers, heads, ratios, bias = arch
        for key, gene in (("heads", heads), ("ffn", ratios)):
            if len(set(_values(gene))) > 1:
                raise UserError(
                    f"{self.encode(arch)!r} cannot be built: its layers differ in {key}, and a network can be built of"
                    " layers that are alike."
                )
        return decoder_network(
            self.vocab_size,
            layers=layers,
            width=width,
            heads=_values(heads)[0],
            context=self.context,
            seed=seed,
            ffn=_hidden(_values(ratios)[0], width),
            bias=bool(bias),
            tied=self.tied,
        )

    def describe(self, arch: Arch) -> dict[str, float]:
        """`params`, `params_non_embedding`, `macs`, `layers` and `width`.

        `params` counts tied weights once; `params_non_embedding` leaves token embedding and output head out. `macs` are
        the multiply-adds of the linear layers and of the output head over a sequence of `context` tokens; the products
        of queries with keys and of attention with values, 2 layers width context^2 in all, are not in.
        """
        width, layers, _, ratios, bias = arch
        units = sum(_hidden(ratio, width) for ratio in _values(ratios)) * (1 if isinstance(ratios, tuple) else layers)
        inside = _in_layers(width, layers, units, bias)
        return {
            "params": inside + self._at_the_ends(width),
            "params_non_embedding": inside,
            "macs": self.context * (4 * layers * width**2 + 3 * width * units + self.vocab_size * width),
            "layers": layers,
            "width": width,
        }

    def _at_the_ends(self, width: Any) -> Any:
        """Parameters of token embedding and output head."""
        return self.vocab_size * width * (1 if self.tied else 2)


def _in_layers(width: Any, layers: Any, units: Any, bias: int) -> Any:
    """Parameters outside token embedding and output head, `units` being the feed-forward units of all layers together.

    A layer has four square matrices of attention, three between width and feed-forward units, and two norms.
    """
    weights = layers * (4 * width**2 + 2 * width) + 3 * width * units + width
    return weights + bias * (5 * width * layers + 2 * units)


def _hidden(ratio: Fraction, width: int) -> int:
    return round(ratio * width)


def _even(width: int, heads: int) -> bool:
    """Whether `heads` divide `width` into heads of an even size."""
    return width % (2 * heads) == 0


def _values(gene: Any) -> tuple[Any, ...]:
    """The gene's values layer by layer, or the one that all layers share."""
    return gene if isinstance(gene, tuple) else (gene,)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _positive(text: str) -> int | None:
    """The whole number from 1 on that `text` is, None where it is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def _listed(options: Sequence[Any]) -> str:
    return ", ".join(f"{float(option):g}" for option in options)


def _whole(name: str, value: Any, least: int = 1) -> int:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not float(value).is_integer() or value < least:
        raise UserError(f"decoder-lm: {name} = {value!r} must be a whole number, at least {least}.")
    return int(value)


def _ratio(name: str, value: Any) -> Fraction:
    number = isinstance(value, int | float | Fraction | np.number) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise UserError(f"decoder-lm: {name}: {value!r} must be a positive number.")
    return Fraction(value).limit_denominator(1000)


def _several(name: str, values: Any, check: Any) -> tuple[Any, ...]:
    """The options of a gene, in order and each once."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or len(values) == 0:
        raise UserError(f"decoder-lm: {name} = {values!r} must be a list of at least one number.")
    return tuple(sorted({check(name, value) for value in values}))
