"""Checkpoints in the layout of the published TransCeption: read into our network, and written from it.

That layout names tensors of a branch several times (aliases) and holds tensors that never influence an output: 19 % of
its parameters. Reading checks the former and drops the latter; writing repeats the one and restores the other.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.models.transception.network import HEAD_GROUPS, HEADS, PIECES, REDUCTIONS, TransCeption, TransCeptionConfig

WIDTH_KEYS = (
    *("backbone.norm1.weight", "backbone.norm1.bias", "backbone.patch_embed1.norm.weight"),
    *("bridge.bridge_layer1.norm1.weight", "decoder_0.layer_up.norm.weight"),
)
"""Tensors of as many values as the first stage has channels."""


@dataclass(frozen=True)
class Entry:
    """One tensor of an official checkpoint.

    `ours` is its name in our state dict (None for a tensor that is unused) and `third` which third of the rows it is,
    where we hold three maps as one. `initial` is what an unused tensor is filled with.
    """

    key: str
    shape: tuple[int, ...]
    ours: str | None
    third: int | None = None
    initial: float = 0.0


def from_official(state_dict: Mapping[str, Tensor]) -> TransCeption:
    """The network of an official checkpoint, in eval mode, in the checkpoint's floating-point type and on its device.

    The configuration is read from names and shapes. A leading `module.` is dropped from names. Raises UserError that
    names every key that is missing, unknown, or of another shape or type, or else every one that differs from its
    alias.
    """
    state = _without_prefix(state_dict)
    config = _read_config(state)
    entries = list(_entries(config))
    dtype = _usual_dtype(state)
    _require(state, entries, dtype, foreign=sorted(state.keys() - {entry.key for entry in entries}))
    found: dict[tuple[str, int | None], Entry] = {}
    differ = []
    for entry in entries:
        if entry.ours is None:
            continue
        first = found.setdefault((entry.ours, entry.third), entry)
        if not torch.allclose(state[entry.key], state[first.key], rtol=0, atol=0, equal_nan=True):
            differ.append(f"{entry.key!r} differs from {first.key!r}")
    if differ:
        raise UserError(f"{'; '.join(differ)}: two names of one tensor must be equal.")
    with torch.device("meta"):
        model = TransCeption(config).to(dtype)
    model.to_empty(device=state["backbone.norm1.weight"].device)
    ours = {}
    for name, tensor in model.state_dict().items():
        thirds = [None] if (name, None) in found else [0, 1, 2]
        ours[name] = torch.cat([state[found[name, third].key].reshape(-1) for third in thirds]).reshape(tensor.shape)
    model.load_state_dict(ours)
    return model.eval()


def to_official(model: TransCeption, unused: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """`model` as an official checkpoint: contiguous copies, aliases too, so that safetensors can store them.

    Tensors that influence nothing are taken from `unused`, as an official checkpoint holds them; without it they are
    ones for the weights of norms and zeros for the rest. Raises UserError that names the keys where `unused` lacks some
    or has them in another shape or type, and where the layout has no place for the model's configuration.
    """
    published = TransCeptionConfig()
    for field in ("branches", "encoding_kernels"):
        if getattr(model.config, field) != getattr(published, field):
            raise UserError(
                f"{field} = {getattr(model.config, field)} has no place in an official checkpoint; only"
                f" {getattr(published, field)} has."
            )
    ours = model.state_dict()
    like = next(model.parameters())
    entries = list(_entries(model.config))
    spare = None if unused is None else _without_prefix(unused)
    if spare is not None:
        _require(spare, [entry for entry in entries if entry.ours is None], like.dtype)
    official = {}
    for entry in entries:
        if entry.ours is not None:
            tensor = ours[entry.ours]
            if entry.third is not None:
                tensor = tensor.chunk(3)[entry.third]
        elif spare is not None:
            tensor = spare[entry.key]
        else:
            tensor = like.new_full(entry.shape, entry.initial)
        official[entry.key] = tensor.detach().reshape(entry.shape).clone(memory_format=torch.contiguous_format)
    return official


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` without the `module.` that a data-parallel wrapper puts before every name."""
    bare: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = str(key).removeprefix("module.")
        if name in bare:
            raise UserError(f"{name!r} stands twice, with and without a leading 'module.'.")
        bare[name] = tensor
    return bare


def _require(
    state: Mapping[str, Tensor], entries: Sequence[Entry], dtype: torch.dtype, foreign: Sequence[str] = ()
) -> None:
    """Raise UserError that names every key of `entries` that `state` lacks or has otherwise, and all of `foreign`."""
    missing = [entry.key for entry in entries if entry.key not in state]
    wrong = []
    if missing:
        wrong.append(f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if foreign:
        wrong.append(f"{_listed(foreign)} {'is' if len(foreign) == 1 else 'are'} no part of an official checkpoint")
    for entry in entries:
        if entry.key in state:
            expected = torch.int64 if entry.key.endswith("num_batches_tracked") else dtype
            is_, wanted = _kind(state[entry.key]), f"{expected} of shape {entry.shape}"
            if is_ != wanted:
                wrong.append(f"{entry.key!r} is {is_} instead of {wanted}")
    if wrong:
        raise UserError("; ".join(wrong) + ".")


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(map(repr, keys))


def _kind(value: Any) -> str:
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _usual_dtype(state: Mapping[str, Tensor]) -> torch.dtype:
    """The floating-point type that most tensors have."""
    kinds = Counter(t.dtype for t in state.values() if isinstance(t, Tensor) and t.is_floating_point())
    return kinds.most_common(1)[0][0] if kinds else torch.float32


def _read_config(state: Mapping[str, Tensor]) -> TransCeptionConfig:
    """The configuration that the names and shapes of `state` tell, whichever single key may be missing or wrong."""
    width = _usual_size(state, WIDTH_KEYS)
    if width is None:
        raise UserError(
            f"None of {_listed(WIDTH_KEYS)} is there, which every official checkpoint of TransCeption has; the keys are"
            f" {_listed(sorted(state)[:5])}{', ...' if len(state) > 5 else ''}."
        )
    depths = [_layers(state, r"backbone\.block1\.(\d+)\.")] + [
        _layers(state, rf"backbone\.mhca_stage{stage}\.mhca_blks\.\d+\.MHCA_layers\.(\d+)\.") for stage in (2, 3, 4)
    ]
    kinds = [
        "spatial"
        if any(f"bridge.bridge_layer{i}.attn.kv.{part}" in state for part in ("weight", "bias"))
        else "channel"
        for i in (1, 2, 3, 4)
    ]
    published = TransCeptionConfig()
    classes = _usual_size(state, ["decoder_0.last_layer.weight", "decoder_0.last_layer.bias"])
    return TransCeptionConfig(
        num_classes=classes or published.num_classes,
        in_channels=_usual_size(state, ["backbone.patch_embed1.proj.weight"], axis=1) or published.in_channels,
        base_channels=width,
        stage_depths=tuple(depths),
        bridge=tuple(kinds),
    )


def _usual_size(state: Mapping[str, Tensor], keys: Sequence[str], axis: int = 0) -> int | None:
    """The size that most of the tensors `keys` have along `axis`; None where none of them is there."""
    held = (state.get(key) for key in keys)
    sizes = Counter(t.shape[axis] for t in held if isinstance(t, Tensor) and t.ndim > axis and t.shape[axis])
    return sizes.most_common(1)[0][0] if sizes else None


def _layers(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many layers there are by the numbers in keys of `pattern`; stray keys make no layer."""
    counts = Counter(int(match[1]) for key in state if (match := re.match(pattern, key)))
    most = max(counts.values(), default=0)
    return 1 + max((number for number, count in counts.items() if 2 * count >= most), default=0)


# The layout. Every function below lists the tensors of one part: `key` is the official name, `ours` our own.


def _entries(config: TransCeptionConfig) -> Iterator[Entry]:
    """All tensors of an official checkpoint of `config`, aliases and unused ones included."""
    C, widths = config.base_channels, config.widths
    yield from _layer("backbone.patch_embed1.proj", "stages.0.patches", (C, config.in_channels, 7, 7))
    yield from _norm("backbone.patch_embed1.norm", "stages.0.patches_norm", C)
    for i in range(config.stage_depths[0]):
        yield from _efficient_block(f"backbone.block1.{i}", f"stages.0.blocks.{i}", C)
    yield from _norm("backbone.norm1", "stages.0.norm", C)
    for stage in (2, 3, 4):
        yield from _stage(stage, widths[stage - 2], widths[stage - 1], config.stage_depths[stage - 1])
    for i, width in enumerate(widths, start=1):
        yield from _layer(f"backbone.conv1_1_s{i}", None, (width, 3 * width, 1, 1))
    yield from _layer("backbone.cpe.proj", None, (C, 1, 3, 3))
    for i, kind in enumerate(config.bridge):
        yield from _bridge_layer(f"bridge.bridge_layer{i + 1}", f"bridge.{i}", C, kind)
    yield from _layer("decoder_3.concat_linear", None, (8 * C, 16 * C))
    for i in (1, 2):
        yield from _efficient_block(f"decoder_3.layer_former_{i}", None, 8 * C)
    yield from _expand("decoder_3.layer_up", "decoder.deepest", 8 * C, 16 * C, 4 * C)
    steps = ((2, 5 * C, 9 * C, 10 * C, 5 * C // 2), (1, 2 * C, 9 * C // 2, 4 * C, C), (0, C, 2 * C, 16 * C, C))
    for i, (number, width, joined, expanded, after) in enumerate(steps):
        key, ours = f"decoder_{number}", f"decoder.stages.{i}"
        yield from _layer(f"{key}.concat_linear", f"{ours}.merge", (width, joined))
        for block in (0, 1):
            yield from _efficient_block(f"{key}.layer_former_{block + 1}", f"{ours}.blocks.{block}", width)
        yield from _expand(f"{key}.layer_up", f"{ours}.expand", width, expanded, after)
    yield from _layer("decoder_0.last_layer", "decoder.classify", (config.num_classes, C, 1, 1))


def _within(ours: str | None, part: str) -> str | None:
    return None if ours is None else f"{ours}.{part}"


def _layer(
    key: str, ours: str | None, shape: tuple[int, ...], *, bias: bool = True, third: int | None = None
) -> Iterator[Entry]:
    yield Entry(f"{key}.weight", shape, _within(ours, "weight"), third)
    if bias:
        yield Entry(f"{key}.bias", shape[:1], _within(ours, "bias"), third)


def _norm(key: str, ours: str | None, width: int) -> Iterator[Entry]:
    yield Entry(f"{key}.weight", (width,), _within(ours, "weight"), initial=1.0)
    yield Entry(f"{key}.bias", (width,), _within(ours, "bias"))


def _batch_norm(key: str, ours: str, width: int) -> Iterator[Entry]:
    yield from _norm(key, ours, width)
    for buffer, shape in (("running_mean", (width,)), ("running_var", (width,)), ("num_batches_tracked", ())):
        yield Entry(f"{key}.{buffer}", shape, f"{ours}.{buffer}")


def _mix_ffn(key: str, ours: str | None, width: int) -> Iterator[Entry]:
    yield from _layer(f"{key}.fc1", _within(ours, "expand"), (4 * width, width))
    yield from _layer(f"{key}.dwconv.dwconv", _within(ours, "depthwise"), (4 * width, 1, 3, 3))
    yield from _layer(f"{key}.fc2", _within(ours, "reduce"), (width, 4 * width))
    yield from _norm(f"{key}.norm1", _within(ours, "norm"), 4 * width)
    yield from _norm(f"{key}.norm2", None, 4 * width)
    yield from _norm(f"{key}.norm3", None, 4 * width)


def _efficient_block(key: str, ours: str | None, width: int) -> Iterator[Entry]:
    square = (width, width, 1, 1)
    yield from _norm(f"{key}.norm1", _within(ours, "attention_norm"), width)
    yield from _norm(f"{key}.norm2", _within(ours, "ffn_norm"), width)
    for third, name in enumerate(("queries", "keys", "values")):
        yield from _layer(f"{key}.attn.{name}", _within(ours, "attention.qkv"), square, third=third)
    yield from _layer(f"{key}.attn.reprojection", _within(ours, "attention.projection"), square)
    yield from _mix_ffn(f"{key}.mlp", _within(ours, "ffn"), width)


def _stage(number: int, width: int, out_width: int, depth: int) -> Iterator[Entry]:
    ours = f"stages.{number - 1}"
    for i in range(3):
        unit, our_unit = f"backbone.patch_embed_stage{number}.patch_embeds.{i}.patch_conv", f"{ours}.patch_units.{i}"
        yield from _layer(f"{unit}.dwconv", f"{our_unit}.depthwise", (width, 1, 3, 3), bias=False)
        yield from _layer(f"{unit}.pwconv", f"{our_unit}.pointwise", (width, width, 1, 1), bias=False)
        yield from _batch_norm(f"{unit}.bn", f"{our_unit}.norm", width)
    key = f"backbone.mhca_stage{number}"
    for i in range(3):
        yield from _branch(f"{key}.mhca_blks.{i}", f"{ours}.branches.{i}", width, depth)
    local, our_local = f"{key}.InvRes", f"{ours}.local.residual"
    yield from _layer(f"{local}.conv1.conv", f"{our_local}.0", (width, width, 1, 1), bias=False)
    yield from _batch_norm(f"{local}.conv1.bn", f"{our_local}.1", width)
    yield from _layer(f"{local}.dwconv", f"{our_local}.3", (width, 1, 3, 3), bias=False)
    yield from _batch_norm(f"{local}.norm", f"{our_local}.4", width)
    yield from _layer(f"{local}.conv2.conv", f"{our_local}.6", (width, width, 1, 1), bias=False)
    yield from _batch_norm(f"{local}.conv2.bn", f"{our_local}.7", width)
    fused, bottleneck = 4 * width, max(8, 4 * width // 16)
    yield from _layer(f"{key}.aggregate.conv1", f"{ours}.fusion.squeeze.0", (bottleneck, fused, 1, 1))
    yield from _batch_norm(f"{key}.aggregate.bn1", f"{ours}.fusion.squeeze.1", bottleneck)
    yield from _layer(f"{key}.aggregate.conv_h", f"{ours}.fusion.row_gate", (fused, bottleneck, 1, 1))
    yield from _layer(f"{key}.aggregate.conv_w", f"{ours}.fusion.column_gate", (fused, bottleneck, 1, 1))
    yield from _layer(f"{key}.aggregate.conv_in_out", f"{ours}.fusion.projection", (out_width, fused, 1, 1))


def _branch(key: str, ours: str, width: int, depth: int) -> Iterator[Entry]:
    layers = [f"{key}.MHCA_layers.{i}" for i in range(depth)]
    for holder in (key, *layers):
        yield from _layer(f"{holder}.cpe.proj", f"{ours}.position", (width, 1, 3, 3))
    for holder in (key, *layers, *(f"{layer}.factoratt_crpe" for layer in layers)):
        for i, (heads, kernel) in enumerate(zip(HEAD_GROUPS, (3, 5, 7), strict=True)):
            shape = (heads * width // HEADS, 1, kernel, kernel)
            yield from _layer(f"{holder}.crpe.conv_list.{i}", f"{ours}.relative.groups.{i}", shape)
    for i, layer in enumerate(layers):
        our_layer = f"{ours}.layers.{i}"
        yield from _norm(f"{layer}.norm1", f"{our_layer}.attention_norm", width)
        yield from _norm(f"{layer}.norm2", f"{our_layer}.ffn_norm", width)
        yield from _layer(f"{layer}.factoratt_crpe.qkv", f"{our_layer}.attention.qkv", (3 * width, width))
        yield from _layer(f"{layer}.factoratt_crpe.proj", f"{our_layer}.attention.projection", (width, width))
        yield from _mix_ffn(f"{layer}.mlp", f"{our_layer}.ffn", width)


def _bridge_layer(key: str, ours: str, width: int, kind: str) -> Iterator[Entry]:
    square = (width, width)
    yield from _norm(f"{key}.norm1", f"{ours}.attention_norm", width)
    yield from _norm(f"{key}.norm2", f"{ours}.ffn_norm", width)
    attention = f"{ours}.attention"
    yield from _layer(f"{key}.attn.q", f"{attention}.query", square)
    yield from _layer(f"{key}.attn.proj", f"{attention}.projection", square)
    if kind == "channel":
        yield from _layer(f"{key}.attn.k", f"{attention}.key", square)
        yield from _layer(f"{key}.attn.v", f"{attention}.value", square)
    else:
        yield from _layer(f"{key}.attn.kv", f"{attention}.key_value", (2 * width, width))
    shortens = kind == "spatial"  # a channel layer holds the tensors of the reduction too, but never uses them
    for i, (pieces, reduction) in enumerate(zip(PIECES, REDUCTIONS, strict=False)):
        shape = (pieces * width, pieces * width, reduction, reduction)
        name = f"{attention}.reductions.{i}" if shortens else None
        yield from _layer(f"{key}.attn.scale_reduce.sr{i}", name, shape)
    yield from _norm(f"{key}.attn.scale_reduce.norm", f"{attention}.reduced_norm" if shortens else None, width)
    for i, pieces in enumerate(PIECES):
        yield from _mix_ffn(f"{key}.mixffn{i + 1}", f"{ours}.ffns.{i}", pieces * width)


def _expand(key: str, ours: str, width: int, expanded: int, after: int) -> Iterator[Entry]:
    yield from _layer(f"{key}.expand", f"{ours}.linear", (expanded, width), bias=False)
    yield from _norm(f"{key}.norm", f"{ours}.norm", after)
