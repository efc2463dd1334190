"""Official TransCeption checkpoints: the layout, reading and writing bit for bit, and files that are none."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gnomon.models.transception import TransCeption, TransCeptionConfig, from_official, to_official

SMALL = TransCeptionConfig(num_classes=3, base_channels=8, stage_depths=(2, 1, 2, 1))
ALIAS = "backbone.mhca_stage3.mhca_blks.1.MHCA_layers.1.factoratt_crpe.crpe.conv_list.2.weight"


def reference(name: str) -> Path:
    file = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment" / "reference" / name
    if not file.is_file():
        pytest.skip(f"the reference of the published TransCeption (segment/reference/{name}) is not in GNOMON_DATA_DIR")
    return file


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    """A checkpoint of a small network with random numbers in every tensor, unused ones too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        official = to_official(TransCeption(SMALL))
        used = to_official(
            TransCeption(SMALL), unused={key: t * torch.nan for key, t in official.items() if t.is_floating_point()}
        )
        for key, tensor in used.items():
            if tensor.isnan().any():
                official[key] = torch.randn(tensor.shape)
    return official


def test_layout_is_that_of_the_published_checkpoint():
    told = {
        entry["name"]: entry
        for entry in json.loads(gzip.decompress(reference("full_c64_i224_k9.state_manifest.json.gz").read_bytes()))
    }
    with torch.device("meta"):
        model = TransCeption(TransCeptionConfig())
    written = to_official(model)
    assert {name: (list(tensor.shape), str(tensor.dtype)) for name, tensor in written.items()} == {
        name: (entry["shape"], f"torch.{entry['dtype']}") for name, entry in told.items()
    }
    assert len(written) == 2200


def test_unused_tensors_and_aliases_are_those_of_the_published_checkpoint():
    told = json.loads(gzip.decompress(reference("full_c64_i224_k9.state_manifest.json.gz").read_bytes()))
    config = TransCeptionConfig(base_channels=8)  # the published depths: the same names
    model = TransCeption(config)
    with torch.no_grad():
        for number, tensor in enumerate(model.state_dict().values(), start=2):
            tensor.fill_(number)  # each of ours is told apart by its value, and unused ones are 0 or 1
    written = to_official(model)
    value = {name: tensor.flatten()[0].item() for name, tensor in written.items()}
    assert {name for name in value if value[name] < 2} == {entry["name"] for entry in told if entry["dead"]}
    assert sum(entry["dead"] and entry["canonical"] == entry["name"] for entry in told) == 332
    holders: dict[float, set[str]] = {}
    for entry in told:
        if not entry["dead"]:
            holders.setdefault(value[entry["name"]], set()).add(entry["canonical"])
    for names in holders.values():  # one official tensor for one of ours, three where we hold q, k, v as one
        assert len(names) in (1, 3)
        assert len(names) == 1 or {name.split(".attn.")[1].split(".")[0] for name in names} == {
            "queries",
            "keys",
            "values",
        }
    fills = {name: set(written[name].unique().tolist()) for name in value if value[name] < 2}
    for name, values in fills.items():
        assert values == ({1.0} if "norm" in name and name.endswith("weight") else {0.0}), name


def test_published_tensors_come_back_bit_for_bit(tmp_path):
    given = load_file(reference("tiny_c8_d121_i96_k3.weights.safetensors"))
    model = from_official(given)
    assert model.config == SMALL
    assert not model.training
    save_file(to_official(model, unused=given), tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == given.keys()
    for name, tensor in given.items():
        assert again[name].dtype == tensor.dtype, name
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_round_trip_of_generated_weights(checkpoint, dtype):
    given = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in checkpoint.items()}
    model = from_official({f"module.{key}": tensor for key, tensor in given.items()})
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    again = to_official(model, unused=given)
    assert again.keys() == given.keys()
    assert all(torch.equal(again[key], given[key]) and again[key].dtype == given[key].dtype for key in given)
    second = from_official(to_official(model))
    assert all(
        torch.equal(a, b) for a, b in zip(second.state_dict().values(), model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("bridge", [("spatial",) * 4, ("channel",) * 4, ("spatial", "channel", "spatial", "channel")])
def test_configuration_is_read_from_names_and_shapes(bridge):
    config = TransCeptionConfig(num_classes=5, in_channels=4, base_channels=8, stage_depths=(1, 2, 1, 3), bridge=bridge)
    assert from_official(to_official(TransCeption(config))).config == config


def test_reading_and_writing_share_no_memory_and_draw_nothing(checkpoint):
    before = torch.random.get_rng_state()
    model = from_official(checkpoint)
    written = to_official(model)
    assert torch.equal(before, torch.random.get_rng_state())
    held = {parameter.data_ptr() for parameter in model.parameters()}
    assert not held & {tensor.data_ptr() for tensor in (*checkpoint.values(), *written.values())}
    assert len({tensor.data_ptr() for tensor in written.values()}) == len(written)


def test_a_diverged_checkpoint_is_read_too(checkpoint):
    diverged = {key: t * torch.nan if t.is_floating_point() else t for key, t in checkpoint.items()}
    assert all(parameter.isnan().all() for parameter in from_official(diverged).parameters())


def damaged(change: str, key: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = dict(tensors)
    if change == "missing":
        del tensors[key]
    elif change == "reshaped":
        tensors[key] = tensors[key][..., None]
    elif change == "another type":
        tensors[key] = tensors[key].to(torch.float64)
    elif change == "no tensor":
        tensors[key] = "weights"  # type: ignore[assignment]
    elif change == "tampered":
        tensors[key] = tensors[key] + 1
    return tensors


DAMAGED_KEYS = [
    "backbone.norm1.weight",
    "backbone.patch_embed1.proj.weight",
    "decoder_0.last_layer.weight",
    "backbone.block1.1.norm1.weight",
    "backbone.mhca_stage3.mhca_blks.0.MHCA_layers.1.norm1.weight",
    "bridge.bridge_layer2.attn.kv.weight",
    "bridge.bridge_layer1.attn.k.bias",
    "bridge.bridge_layer1.attn.scale_reduce.sr1.weight",
    "backbone.mhca_stage2.InvRes.norm.num_batches_tracked",
    ALIAS,
]


@pytest.mark.parametrize(
    ("change", "key"),
    [(change, key) for change in ("missing", "reshaped", "no tensor") for key in DAMAGED_KEYS]
    + [("another type", key) for key in DAMAGED_KEYS],
)
def test_a_key_that_is_missing_or_of_another_kind_is_named(checkpoint, change, key):
    with pytest.raises(ValueError) as mistake:
        from_official(damaged(change, key, checkpoint))
    assert re.findall(r"'([^']+)'", str(mistake.value)) == [key]


def test_every_key_that_is_wrong_is_named(checkpoint):
    changes = {"missing": DAMAGED_KEYS[:4], "reshaped": DAMAGED_KEYS[4:7], "another type": DAMAGED_KEYS[7:]}
    given = {**checkpoint, "backbone.extra": torch.zeros(1), "head.bias": torch.zeros(1)}
    for change, keys in changes.items():
        for key in keys:
            given = damaged(change, key, given)
    with pytest.raises(ValueError) as mistake:
        from_official(given)
    said = str(mistake.value)
    named = re.findall(r"'([^']+)'", said)
    assert sorted(named) == sorted([*DAMAGED_KEYS, "backbone.extra", "head.bias"])
    assert set(named[:4]) == set(changes["missing"])
    assert "are missing; 'backbone.extra', 'head.bias' are no part" in said
    gone = [key for key in checkpoint if ".mhca_stage4.mhca_blks.1." in key or ".block1.0." in key]
    with pytest.raises(ValueError) as mistake:  # a whole branch, and a layer in the middle
        from_official({key: tensor for key, tensor in checkpoint.items() if key not in gone})
    assert sorted(re.findall(r"'([^']+)'", str(mistake.value))) == sorted(gone)
    with pytest.raises(ValueError) as mistake:
        from_official(damaged("tampered", "backbone.mhca_stage2.mhca_blks.0.cpe.proj.bias", damaged("tampered", ALIAS, checkpoint)))  # fmt: skip
    assert ALIAS in str(mistake.value)
    assert "mhca_stage2.mhca_blks.0.MHCA_layers.0.cpe.proj.bias' differs from" in str(mistake.value)


def test_foreign_keys_and_tampered_aliases_are_named(checkpoint):
    with pytest.raises(ValueError, match=r"'backbone\.extra' is no part"):
        from_official({**checkpoint, "backbone.extra": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"block1\.3\.norm1\.weight' is no part"):
        from_official({**checkpoint, "backbone.block1.3.norm1.weight": torch.zeros(8)})
    with pytest.raises(ValueError) as mistake:
        from_official(damaged("tampered", ALIAS, checkpoint))
    assert ALIAS in str(mistake.value)
    with pytest.raises(ValueError, match=r"'backbone\.norm1\.weight' stands twice"):
        from_official({**checkpoint, "module.backbone.norm1.weight": torch.zeros(8)})
    with pytest.raises(ValueError, match=r"None of 'backbone\.norm1\.weight', .* the keys are 'epoch', 'model'\."):
        from_official({"epoch": 3, "model": checkpoint})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"^'backbone\.norm1\.weight' is .* of shape \(12,\) instead of .* \(8,\)\.$"):
        from_official({**checkpoint, "backbone.norm1.weight": torch.zeros(12)})


def test_what_cannot_be_written_is_refused(checkpoint):
    model = from_official(checkpoint)
    with pytest.raises(ValueError, match=r"'backbone\.cpe\.proj\.bias' is missing"):
        to_official(model, unused=damaged("missing", "backbone.cpe.proj.bias", checkpoint))
    with pytest.raises(ValueError, match=r"'backbone\.cpe\.proj\.bias' is torch\.float32 of shape \(8, 1\)"):
        to_official(model, unused=damaged("reshaped", "backbone.cpe.proj.bias", checkpoint))
    for field, value in (("branches", (3, 2, 3)), ("encoding_kernels", ((3, 5, 7), (3, 3, 3), (3, 5, 7)))):
        with pytest.raises(ValueError, match=f"{field} = .* has no place"):
            to_official(TransCeption(TransCeptionConfig(base_channels=8, stage_depths=(1, 1, 1, 1), **{field: value})))
