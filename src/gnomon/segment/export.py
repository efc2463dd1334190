"""A model in other people's files, and their checkpoints as ours.

ONNX runs anywhere; the official layout of TransCeption is what the authors' code loads. A checkpoint is read as tensors
and nothing else: no code in it runs.
"""

import json
import logging
import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.errors import UserError
from gnomon.models.transception import TransCeption, from_official, to_official
from gnomon.runs import Run
from gnomon.runs.files import write_atomic
from gnomon.seeds import derive
from gnomon.segment.output import require_place
from gnomon.segment.predict import MeanOfFolds, Segmenter, load, save_model
from gnomon.segment.prepare import Intensity
from gnomon.segment.recipe import ModelSettings

CLOSE = 1e-3
"""The largest difference of a logit that onnxruntime may show."""

_NO_TENSORS = (
    *(pickle.UnpicklingError, struct.error, OSError, EOFError, RuntimeError, AssertionError, AttributeError),
    *(ValueError, TypeError, IndexError, KeyError),
)
"""What reading any bytes as a pickle of tensors may raise."""

PATCH = 224
"""The patch size of the published TransCeption, at which an imported one predicts."""


def export(run: str | Path, to: str | Path) -> dict[str, Any]:
    """Write the model of `run` to the new file `to`: `.onnx`, or `.safetensors` under the official keys.

    Returns `path`, and `max_abs_diff` (see `to_onnx`) or `tensors`, their number. Raises UserError for a run without a
    model, another extension, a file that exists, and for official keys where the run has no single TransCeption.
    """
    path = Path(to)
    if path.suffix not in (".onnx", ".safetensors"):
        raise UserError(f"--to {path}: a file named .onnx, or .safetensors for the official keys, is expected.")
    if path.exists():
        raise UserError(f"{str(path)!r} exists already; give another file with --to.")
    require_place(path, "--to")
    segmenter = load(run)
    if path.suffix == ".onnx":
        content, difference = to_onnx(segmenter)
        result: dict[str, Any] = {"path": str(path), "max_abs_diff": difference}
    else:
        from safetensors.torch import save

        tensors = _official(segmenter, run)
        content = save(tensors)
        result = {"path": str(path), "tensors": len(tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    return result


def _official(segmenter: Segmenter, run: str | Path) -> dict[str, Tensor]:
    network = segmenter.network
    if isinstance(network, MeanOfFolds):
        raise UserError(f"{run} predicts with {len(network.members)} networks; export the run of one of its folds.")
    if not isinstance(network, TransCeption):
        raise UserError(f"{run} holds a {type(network).__name__}; only a TransCeption has official keys: use .onnx.")
    return to_official(network)


def to_onnx(segmenter: Segmenter) -> tuple[bytes, float]:
    """The network as an ONNX model, and by how much onnxruntime differs from torch at most, over batches of 1 and 3.

    Input `image`, float32 (batch, channels, *patch_size) after the intensity rule; output `logits`. The metadata hold
    `labels`, `intensity`, `spacing` and `slice_axis` as JSON.
    """
    import onnxruntime

    channels, network = max(segmenter.channels), segmenter.network
    generator = torch.Generator().manual_seed(derive(0, "onnx"))
    one, three = (torch.randn(batch, channels, *segmenter.patch_size, generator=generator) for batch in (1, 3))
    model = _traced(network, three)
    for key in ("labels", "spacing", "slice_axis"):
        model.metadata_props.add(key=key, value=json.dumps(getattr(segmenter, key)))
    model.metadata_props.add(key="intensity", value=json.dumps(segmenter.intensity.to_dict()))
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: it tells of every operator that it cannot compute ahead
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    difference = 0.0
    for images in (one, three):
        with torch.inference_mode():
            expected = network(images).numpy()
        (found,) = session.run(["logits"], {"image": images.numpy()})
        difference = max(difference, float(np.abs(found - expected).max()))
    if not difference <= CLOSE:
        raise RuntimeError(f"onnxruntime differs from torch by {difference:g}, more than {CLOSE:g}")
    return content, difference


def _traced(network: nn.Module, images: Tensor) -> Any:
    """An onnx.ModelProto of `network` that takes any number of `images`."""
    batch = {0: torch.export.Dim("batch")}
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it tells of every optional package that is not installed
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            program = torch.export.export(network, (images,), dynamic_shapes=(batch,), strict=False)
            exported = torch.onnx.export(
                program,
                dynamo=True,
                input_names=["image"],
                output_names=["logits"],
                verbose=False,  # it prints on standard output
                optimize=False,  # onnxruntime does so when it loads a model, in a fraction of the time
            )
    finally:
        exporter.setLevel(level)
    assert exported is not None
    return exported.model_proto


def import_checkpoint(
    checkpoint: str | Path, out: str | Path, *, labels: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Make the new run `out` of an official TransCeption checkpoint, `.safetensors`, or `.pth` read without its code.

    `labels` name its classes, background first; without them they are `background`, `1`, `2`, ... The run predicts
    pictures, grey or in colour where the network takes three channels, at patches of 224. Returns `params` and `out`.
    Raises UserError for a file that is no such checkpoint, naming the key, and a wrong number of labels.
    """
    path = Path(checkpoint)
    require_place(out)
    try:
        network = from_official(_tensors(path)).float()
    except UserError as fault:
        raise fault if str(path) in str(fault) else UserError(f"{path}: {fault}") from fault
    config = network.config
    if labels is not None and len(labels) != config.num_classes:
        raise UserError(f"{path} tells {config.num_classes} classes apart, but {len(labels)} labels were given.")
    segmenter = Segmenter(
        network=network,
        labels=dict(labels) if labels else {str(k) if k else "background": k for k in range(config.num_classes)},
        channels=(1, 3) if config.in_channels == 3 else (config.in_channels,),
        intensity=Intensity("type_range"),
        spacing=None,
        slice_axis=None,
        patch_size=(PATCH, PATCH),
    )
    model = ModelSettings(
        base_channels=config.base_channels,
        stage_depths=config.stage_depths,
        bridge=config.bridge,
    )
    settings = {"checkpoint": str(path.resolve()), "labels": segmenter.labels}
    run = Run.create(Path(out), kind="segment-import", name="import", settings=settings, seed=0)
    save_model(run.path, segmenter, model)
    result = {"params": sum(p.numel() for p in network.parameters()), "out": str(run.path)}
    run.finish(result)
    return result


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise UserError(f"{path}: a checkpoint named .safetensors or .pth is expected.")
    if not path.is_file():
        raise UserError(f"{path} does not exist; a checkpoint of TransCeption is expected.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as fault:
            raise UserError(f"{path} cannot be read as safetensors ({fault}).") from fault
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols, beside our own sentence
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _NO_TENSORS as fault:
        named = re.search(r"GLOBAL (\S+)", str(fault))
        reason = f"it names {named[1]}" if named else "it is damaged or of another kind"
        raise UserError(f"{path} is no file of tensors alone ({reason}), so nothing of it was loaded.") from fault
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}; a dictionary of tensors is expected.")
    return content
