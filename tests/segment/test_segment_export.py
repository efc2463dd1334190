"""Models in other people's files, their checkpoints as ours, and files that would run code or are no checkpoints."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import load_file, save_file
from torch import nn

from gnomon import segment
from gnomon.errors import UserError
from gnomon.models.transception import TransCeption, TransCeptionConfig, from_official, to_official
from gnomon.runs import open_run
from gnomon.segment import export as exporting
from gnomon.segment import networks
from gnomon.segment.export import export, import_checkpoint, to_onnx
from gnomon.segment.predict import MeanOfFolds, Segmenter, save_members, save_model
from gnomon.segment.prepare import Intensity
from gnomon.segment.recipe import ModelSettings

LABELS = {"background": 0, "cytoplasm": 128, "nucleus": 255}
TINY = ModelSettings(base_channels=8, stage_depths=(1, 1, 1, 1), bridge=("spatial", "channel", "spatial", "spatial"))
UNET = ModelSettings(name="unet", base_channels=8)


def segmenter(
    model: ModelSettings = UNET, *, channels: int = 3, patch: int = 32, seed: int = 0, **changes
) -> Segmenter:
    network = networks.build(model, in_channels=channels, classes=3, seed=seed)
    with torch.no_grad():  # weights that training could have made, running statistics among them
        for name, tensor in sorted(network.state_dict().items()):
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=torch.Generator().manual_seed(len(name)))
                tensor += 0.1 * noise
    made = Segmenter(network.eval(), LABELS, (channels,), Intensity("type_range"), None, None, (patch, patch))
    return replace(made, **changes)


def saved(folder: Path, model: ModelSettings = UNET, **changes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, segmenter(model, **changes), model)
    return folder


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# -- ONNX ----------------------------------------------------------------------------------------------------------


def require_onnx(path: Path, made: Segmenter) -> None:
    """The file computes what the network does for any number of images, and says what its input and output mean."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (returned,) = session.get_inputs(), session.get_outputs()
    channels = max(made.channels)
    assert (given.name, given.type, given.shape[1:]) == ("image", "tensor(float)", [channels, *made.patch_size])
    assert isinstance(given.shape[0], str)
    assert returned.name == "logits"
    for batch in (1, 2, 5):
        images = torch.randn(batch, channels, *made.patch_size, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = made.network(images).numpy()
        (found,) = session.run(["logits"], {"image": images.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-3)
    told = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert list(told["labels"].items()) == list(made.labels.items())
    assert told["intensity"] == made.intensity.to_dict()
    assert (told["spacing"], told["slice_axis"]) == (made.spacing and list(made.spacing), made.slice_axis)


def test_onnx_says_what_it_takes(tmp_path):
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)).eval()
    made = Segmenter(network, LABELS, (2,), Intensity("window", (0, 2.5)), (1.0, 1.0, 2.5), "coronal", (32, 64))
    content, difference = to_onnx(made)
    (tmp_path / "x.onnx").write_bytes(content)
    require_onnx(tmp_path / "x.onnx", made)
    assert difference < 1e-5


@pytest.mark.slow
def test_onnx_of_a_transception(tmp_path, capfd):
    """One branch for each of three, which are alike: the exporter's time goes by the number of operations."""
    torch.manual_seed(0)
    config = TransCeptionConfig(
        num_classes=3,
        base_channels=8,
        stage_depths=(1, 1, 1, 1),
        bridge=("spatial", "channel", "spatial", "spatial"),
        branches=(1, 1, 1),
    )
    made = Segmenter(TransCeption(config).eval(), LABELS, (3,), Intensity("type_range"), None, None, (64, 32))
    content, difference = to_onnx(made)
    assert difference < 1e-3
    assert capfd.readouterr() == ("", "")
    (tmp_path / "model.onnx").write_bytes(content)
    require_onnx(tmp_path / "model.onnx", made)


def test_onnx_of_all_folds_is_their_mean():
    torch.manual_seed(0)
    parts = [replace(segmenter(), network=nn.Conv2d(3, 3, 3, padding=1).eval()) for _ in range(2)]
    whole = replace(parts[0], network=MeanOfFolds([part.network for part in parts]).eval())
    session = onnxruntime.InferenceSession(to_onnx(whole)[0], providers=["CPUExecutionProvider"])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    (logits,) = session.run(None, {"image": images.numpy()})
    with torch.no_grad():
        expected = sum(part.network(images).softmax(1) for part in parts) / 2
    np.testing.assert_allclose(torch.from_numpy(logits).softmax(1), expected, atol=1e-5)


def test_a_file_that_computes_something_else_gets_no_name(tmp_path, monkeypatch):
    run = saved(tmp_path / "run", channels=1)

    def wrong(network, images):
        shape = ["batch", 1, 32, 32], ["batch", 3, 32, 32]
        given, returned = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)
            for name, axes in zip(("image", "logits"), shape, strict=True)
        )
        node = helper.make_node("Concat", ["image"] * 3, ["logits"], axis=1)
        graph = helper.make_graph([node], "copies", [given], [returned])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)

    monkeypatch.setattr(exporting, "_traced", wrong)
    with pytest.raises(RuntimeError, match="differs from torch"):
        export(run, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# -- official keys -------------------------------------------------------------------------------------------------


def test_official_keys_there_and_back(tmp_path):
    run = saved(tmp_path / "run", TINY)
    network = segment.load(run).network
    assert isinstance(network, TransCeption)
    expected = to_official(network)
    assert export(run, tmp_path / "model.safetensors") == {
        "path": str(tmp_path / "model.safetensors"),
        "tensors": len(expected),
    }
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    result = import_checkpoint(tmp_path / "model.safetensors", tmp_path / "again", labels=LABELS)
    assert result == {"params": networks.count_parameters(network), "out": str(tmp_path / "again")}
    made = segment.load(tmp_path / "again")
    assert (made.labels, made.patch_size, made.slice_axis) == (LABELS, (224, 224), None)
    assert made.intensity == Intensity("type_range")
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in made.network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.pt", r"model\.pt: a file named \.onnx, or \.safetensors"),
        ("there.onnx", "exists already"),
        ("there.onnx/model.onnx", r"--to .*there\.onnx is no folder"),
        ("model.safetensors", r"run holds a UNet; only a TransCeption has official keys"),
    ],
)
def test_impossible_exports_write_nothing(tmp_path, name, says):
    run = saved(tmp_path / "run")
    (tmp_path / "there.onnx").write_text("mine")
    with pytest.raises(UserError, match=says):
        export(run, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there.onnx"]
    assert (tmp_path / "there.onnx").read_text() == "mine"


def test_folds_have_no_official_keys_together(tmp_path):
    for fold in (0, 1):
        saved(tmp_path / "folds" / str(fold), TINY, seed=fold)
    save_members(tmp_path, ["folds/0", "folds/1"])
    with pytest.raises(UserError, match="predicts with 2 networks; export the run of one of its folds"):
        export(tmp_path, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=r"no model\.json"):
        export(tmp_path / "absent", tmp_path / "x.onnx")


# -- importing -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = TransCeptionConfig(num_classes=4, base_channels=8, stage_depths=(1, 1, 1, 1))
        return to_official(TransCeption(config))


def test_a_checkpoint_becomes_a_run_that_predicts(tmp_path, checkpoint):
    torch.save({f"module.{key}": tensor.double() if tensor.is_floating_point() else tensor for key, tensor in checkpoint.items()}, tmp_path / "best.pth")  # fmt: skip
    import_checkpoint(tmp_path / "best.pth", tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert (run.kind, run.state) == ("segment-import", "finished")
    made = segment.load(tmp_path / "run")
    assert made.labels == {"background": 0, "1": 1, "2": 2, "3": 3}
    network = from_official(checkpoint)
    for image in (picture(224, 224, 3), picture(224, 224)):  # published networks see grey images three times
        colours = image if image.ndim == 3 else np.stack([image] * 3, -1)
        scaled = torch.from_numpy(np.moveaxis(colours, -1, 0)[None] / np.float32(127.5) - 1).float()
        with torch.no_grad():
            expected = network(scaled).softmax(1)[0].numpy()
        found = made.predict(image)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-4)
        assert set(np.unique(found.labels)) <= {0, 1, 2, 3}
    with pytest.raises(UserError, match="is a volume"):
        made.predict(np.zeros((20, 30, 10)))
    with pytest.raises(UserError, match="trained without flips"):
        made.predict(picture(40, 40), flips=True)


class Hostile:
    """A pickle of this makes a folder when it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile(folder: Path, checkpoint: dict) -> str:
    torch.save({**checkpoint, "backbone.norm1.weight": Hostile(folder / "ran")}, folder / "x.pth")
    return r"x\.pth is no file of tensors alone \(it names posix\.mkdir\)"


def old_hostile(folder: Path, checkpoint: dict) -> str:
    (folder / "x.pth").write_bytes(pickle.dumps({"a": Hostile(folder / "ran")}, protocol=2))
    return r"x\.pth is no file of tensors alone \(it names posix\.mkdir\)"


def foreign(folder: Path, checkpoint: dict) -> str:
    save_file({**checkpoint, "head.weight": torch.zeros(2)}, folder / "x.safetensors")
    return r"x\.safetensors: 'head\.weight' is no part"


def missing(folder: Path, checkpoint: dict) -> str:
    save_file(
        {key: t for key, t in checkpoint.items() if key != "decoder_1.concat_linear.bias"}, folder / "x.safetensors"
    )
    return r"x\.safetensors: 'decoder_1\.concat_linear\.bias' is missing\.$"


def tampered(folder: Path, checkpoint: dict) -> str:
    key = "backbone.mhca_stage3.mhca_blks.1.MHCA_layers.0.cpe.proj.weight"
    torch.save({**checkpoint, key: checkpoint[key] + 1}, folder / "x.pth")
    return (
        r"x\.pth: 'backbone\.mhca_stage3.*\.cpe\.proj\.weight' (differs from|.*must be equal)|x\.pth: .* differs from"
    )


def reshaped(folder: Path, checkpoint: dict) -> str:
    save_file({**checkpoint, "bridge.bridge_layer1.attn.q.weight": torch.zeros(8, 4)}, folder / "x.safetensors")
    return r"x\.safetensors: 'bridge\.bridge_layer1\.attn\.q\.weight' is torch\.float32 of shape \(8, 4\)"


def other_content(folder: Path, checkpoint: dict) -> str:
    torch.save([torch.zeros(3)], folder / "x.pth")
    return r"x\.pth holds a list; a dictionary of tensors is expected"


def nested(folder: Path, checkpoint: dict) -> str:
    torch.save({"epoch": 3, "state_dict": checkpoint}, folder / "x.pth")
    return r"x\.pth: None of 'backbone\.norm1\.weight', .* the keys are 'epoch', 'state_dict'\."


def no_checkpoint(folder: Path, checkpoint: dict) -> str:
    (folder / "x.pth").write_text("an apology of the server")
    return r"x\.pth is no file of tensors alone"


def empty(folder: Path, checkpoint: dict) -> str:
    (folder / "x.pth").write_bytes(b"")
    return r"x\.pth is no file of tensors alone"


def truncated(folder: Path, checkpoint: dict) -> str:
    save_file(checkpoint, folder / "x.safetensors")
    (folder / "x.safetensors").write_bytes((folder / "x.safetensors").read_bytes()[:-100])
    return r"x\.safetensors cannot be read as safetensors"


def other_name(folder: Path, checkpoint: dict) -> str:
    (folder / "x.onnx").write_bytes(b"")
    return r"x\.onnx: a checkpoint named \.safetensors or \.pth is expected"


@pytest.mark.parametrize(
    "make",
    [hostile, old_hostile, foreign, missing, tampered, reshaped, other_content, nested, no_checkpoint, empty, truncated, other_name],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused_with_file_and_key(tmp_path, checkpoint, make):
    says = make(tmp_path, checkpoint)
    (file,) = tmp_path.iterdir()
    with pytest.raises(UserError, match=says):
        import_checkpoint(file, tmp_path / "run")
    assert list(tmp_path.iterdir()) == [file]  # neither a run, nor what the hostile pickle would have made


def test_the_hostile_pickle_would_have_run(tmp_path, checkpoint):
    hostile(tmp_path, checkpoint)
    torch.load(tmp_path / "x.pth", weights_only=False)
    assert (tmp_path / "ran").exists()


def test_a_wrong_number_of_labels_is_refused(tmp_path, checkpoint):
    save_file(checkpoint, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=r"x\.safetensors tells 4 classes apart, but 3 labels were given"):
        import_checkpoint(tmp_path / "x.safetensors", tmp_path / "run", labels=LABELS)
    with pytest.raises(UserError, match=r"absent\.pth does not exist"):
        import_checkpoint(tmp_path / "absent.pth", tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
    with pytest.raises(UserError, match=r"--out .*x\.safetensors is no folder"):
        import_checkpoint(tmp_path / "x.safetensors", tmp_path / "x.safetensors" / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        import_checkpoint(tmp_path / "x.safetensors", tmp_path / "run")


def test_the_room_is_imported_lazily():
    code = (
        "import sys, gnomon.segment as s; assert 'torch' not in sys.modules; s.load; assert 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
