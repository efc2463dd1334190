"""What does TransCeption cost: beside the published way to compute it, beside MONAI's networks, in use?

- `published`: forward and backward of the published configuration on one thread, by our network, by the same weights
  computed plainly (`peers/transception_plain.py`), and by the public code where `--official` names a checkout of it;
  outputs equal to 1e-4 before any is timed; operations of a forward, bytes kept for the backward, bytes of weights.
- `step`: a training step of the default recipe, beside MONAI's U-Net and SegResNet, on one thread and on two.
- `predict`: images and volumes per second from file to mask, and where the time goes.
- `audit`: the whole command on both public sets.

What is compared is measured in turn in one process, in an order that rotates; minimum and median over rounds. CPU
seconds where one thread computes, which other jobs disturb less; wall seconds elsewhere. The data of `predict` and
`audit` lie in the folder of GNOMON_DATA_DIR. Each part writes a result of its own.
"""

import argparse
import importlib.util
import inspect
import os
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.models.transception import TransCeption, TransCeptionConfig, to_official
from machine import machine, save
from peers.transception_plain import PlainTransCeption

ROOT = Path(__file__).parent.parent
LIMITS = {
    "times the published code": 1.5,
    "GFLOP of a forward": 17.0,
    "seconds a step, two threads": 0.3,
    "seconds of an audit": 5.0,
}
SETS = {
    "cells": ("segment/wbc", ["background=0", "cytoplasm=128", "nucleus=255"]),
    "hippocampus": ("segment/hippocampus3d", ["background=0", "anterior=1", "posterior=2"]),
}
NETWORKS = ("transception", "unet", "segresnet")

OFFICIAL = {"num_classes": 9, "concat": "coord", "br_ch_att_list": [True, False, False, False]}
"""Options that make the public code's network the published one, as far as a version of it has them."""

Times = dict[str, list[float]]


def in_turn(jobs: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> Times:
    """Seconds of every job in every round, by `clock`; each round begins with another job, and the first is cold."""
    names = list(jobs)
    found: Times = {name: [] for name in names}
    for turn in range(rounds + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            begun = clock()
            jobs[name]()
            if turn:
                found[name].append(clock() - begun)
    return found


def summary(times: Times) -> dict[str, dict[str, float]]:
    """Minimum and median of each."""
    return {name: {"min": round(min(each), 4), "median": round(median(each), 4)} for name, each in times.items()}


def ratios(times: Times, ours: str) -> dict[str, dict[str, float]]:
    """How many times our seconds each of the others takes: of the minima, and the median over rounds."""
    found = {}
    for name, each in times.items():
        if name != ours:
            by_round = median(a / b for a, b in zip(each, times[ours], strict=True))
            found[name] = {"min": round(min(each) / min(times[ours]), 3), "median": round(by_round, 3)}
    return found


# -- published -----------------------------------------------------------------------------------------------------


def official_network(path: Path, state: dict[str, Tensor]) -> nn.Module:
    """The public code's network from the checkout at `path`: the class that has exactly the tensors of `state`.

    It needs einops. What it imports without using may be absent, and where there is no GPU the one tensor that it
    sends to one stays where it is.
    """
    for name, attribute in (("torchvision", "models"), ("torchinfo", "summary")):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], attribute, None)
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda tensor: tensor  # type: ignore[method-assign]
    sys.path.insert(0, str(path))
    module = importlib.import_module("networks.MSTr")
    for kind in vars(module).values():
        if inspect.isclass(kind) and issubclass(kind, nn.Module) and kind.__module__ == module.__name__:
            known = inspect.signature(kind).parameters
            if "num_classes" in known:
                network: nn.Module = kind(**{name: value for name, value in OFFICIAL.items() if name in known})
                if network.state_dict().keys() == state.keys():
                    network.load_state_dict(state)
                    return network
    raise SystemExit(f"--official {path}: no class of networks/MSTr.py has the tensors of a TransCeption.")


def operations(network: nn.Module, images: Tensor) -> int:
    """Floating-point operations of a forward pass, attention counted as the products it is made of."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(images)
    return int(counter.get_total_flops())


def kept_bytes(network: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, without the parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(images)  # held, so that no storage is freed and another takes its address
    del output
    return sum(kept.values())


def weight_bytes(state: dict[str, Tensor]) -> int:
    """Bytes of the tensors of a state, one that has several names counted once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in state.values()}.values())


def published(chosen: argparse.Namespace) -> dict[str, Any]:
    """The published configuration, one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = TransCeption(TransCeptionConfig())
    state = to_official(model)
    networks: dict[str, nn.Module] = {"gnomon": model, "plain": PlainTransCeption(model)}
    if chosen.official is not None:
        networks["public code"] = official_network(chosen.official, state)
    for network in networks.values():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 0.0  # running means stay what they are, so that all networks stay the same function
    images, gradient = torch.randn(2, 3, 224, 224), torch.randn(2, 9, 224, 224)
    found: dict[str, Any] = {
        "official": chosen.official is not None,
        "differences": differences(networks, images, gradient),
        "networks": {},
        "batch": {},
    }
    for name, network in networks.items():
        found["networks"][name] = {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights_MiB": round(weight_bytes(network.state_dict()) / 2**20, 1),
            "forward_GFLOP": round(operations(network.eval(), images[:1]) / 1e9, 2),
            "kept_for_backward_MiB": round(kept_bytes(network.train(), images[:1]) / 2**20, 1),
        }
    for batch in (1, 2):

        def forward_backward(network: nn.Module, batch: int = batch) -> None:
            network.zero_grad()
            network(images[:batch]).backward(gradient[:batch])

        jobs = {name: lambda network=network: forward_backward(network) for name, network in networks.items()}
        times = in_turn(jobs, chosen.rounds, time.process_time)
        found["batch"][batch] = {
            "cpu_seconds": summary(times),
            "times_as_long": ratios(times, "gnomon"),
        }
    return found


def differences(networks: dict[str, nn.Module], images: Tensor, gradient: Tensor) -> dict[str, dict[str, float]]:
    """How far each of the others is from the first: its logits at most, the gradient of the images relatively.

    Evaluated and in training. Raises AssertionError where they are not the same function.
    """
    found: dict[str, dict[str, float]] = {}
    for mode in ("evaluation", "training"):
        expected = None
        for name, network in networks.items():
            pixels = images.clone().requires_grad_()
            logits = network.train(mode == "training")(pixels)
            logits.backward(gradient)
            network.zero_grad()
            given = (logits.detach(), pixels.grad)
            if expected is None:
                expected = given
                continue
            apart = found.setdefault(name, {})
            apart[f"logits, {mode}"] = float((given[0] - expected[0]).abs().max())
            apart[f"gradient, {mode}"] = float((given[1] - expected[1]).norm() / expected[1].norm())
            assert all(value < 1e-4 for value in apart.values()), (name, apart)
    return found


def print_published(found: dict[str, Any]) -> None:
    """The table of `published`."""
    print("published configuration, 224 x 224, one thread, forward + backward")
    for name, apart in found["differences"].items():
        print(f"  {name} differs by at most {max(apart.values()):.1e}")
    print(f"  {'':12}{'parameters':>12}{'weights MiB':>12}{'GFLOP':>8}{'kept MiB':>10}")
    for name, each in found["networks"].items():
        print(
            f"  {name:12}{each['parameters']:>12,}{each['weights_MiB']:>12}{each['forward_GFLOP']:>8}"
            f"{each['kept_for_backward_MiB']:>10}"
        )
    for batch, each in found["batch"].items():
        for name, spent in each["cpu_seconds"].items():
            times = each["times_as_long"].get(name)
            said = f"   {times['min']:.2f} / {times['median']:.2f} times ours" if times else ""
            print(f"  batch {batch}, {name:12} {spent['min']:.3f} / {spent['median']:.3f} CPU s{said}")
    limit = LIMITS["times the published code"]
    if found["official"]:
        print(f"  (min / median; limit: the public code takes at least {limit} times ours)")
    else:
        print(f"  (min / median; limit {limit}. The public code was not measured: --official names a checkout of it)")


# -- step ----------------------------------------------------------------------------------------------------------


def step(chosen: argparse.Namespace) -> dict[str, Any]:
    """A training step of the default recipe: 8 crops of 96 x 96, AdamW, the loss of TransCeption."""
    from gnomon.segment import networks
    from gnomon.segment.losses import LOSSES
    from gnomon.segment.recipe import ModelSettings, TrainSettings

    recipe = TrainSettings()
    torch.manual_seed(0)
    images = torch.randn(recipe.batch_size, 3, *recipe.patch_size)
    labels = torch.randint(3, (recipe.batch_size, *recipe.patch_size))
    jobs, parameters = {}, {}
    for name in NETWORKS:
        network = networks.build(ModelSettings(name=name), in_channels=3, classes=3, seed=0)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=recipe.weight_decay, fused=True)

        def update(network: nn.Module = network, optimizer: torch.optim.Optimizer = optimizer) -> None:
            optimizer.zero_grad()
            LOSSES[recipe.loss](network(images), labels).backward()
            optimizer.step()

        jobs[name] = update
        parameters[name] = networks.count_parameters(network)
    found: dict[str, Any] = {"parameters": parameters, "threads": {}}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        times = in_turn(jobs, 4 * chosen.rounds, time.process_time if threads == 1 else time.perf_counter)
        alone = {
            name: [ours / each for ours, each in zip(times["transception"], times[name], strict=True)]
            for name in NETWORKS
        }
        found["threads"][threads] = {
            "seconds": summary(times),
            "transception_takes_times": {name: round(median(alone[name]), 2) for name in NETWORKS[1:]},
        }
    return found


def print_step(found: dict[str, Any]) -> None:
    """The table of `step`."""
    print("a training step: 8 crops of 96 x 96, 3 classes, base width 16, AdamW; seconds, min / median")
    for threads, each in found["threads"].items():
        which = "1 thread, CPU" if threads == 1 else f"{threads} threads, wall"
        for name, spent in each["seconds"].items():
            times = each["transception_takes_times"].get(name)
            said = f"   TransCeption takes {times:.1f} times this" if times else ""
            print(f"  {which}, {name:13} {spent['min']:.3f} / {spent['median']:.3f}{said}")
    print(f"  (limit: TransCeption below {LIMITS['seconds a step, two threads']} on two threads)")


# -- predict -------------------------------------------------------------------------------------------------------


def predict(chosen: argparse.Namespace) -> dict[str, Any]:
    """Prediction of files by models of both sets' recipes, trained for two steps, which costs what a whole one does."""
    from gnomon import segment
    from gnomon.runs.progress import Progress
    from gnomon.segment.prepare import load_dataset, prepare
    from gnomon.segment.reading import parse_labels
    from gnomon.segment.recipe import read_recipe
    from gnomon.segment.train import train

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (where, labels) in SETS.items():
            data = Path(folder) / name
            source = Path(os.environ["GNOMON_DATA_DIR"]) / where
            prepare(source, data, labels=parse_labels(labels), group=None, folds=5, seed=0, skip_bad=True)
            files = [case.image for case in load_dataset(data).cases][: chosen.images]
            for network in NETWORKS[:2]:
                overrides = [f'model.name="{network}"', "train.steps=2", "train.threads=1"]
                recipe = read_recipe(ROOT / "recipes" / f"segment-{name}.toml", overrides, data=data)
                run = train(recipe, fold="none", out=Path(folder) / f"{name}-{network}", progress=Progress(quiet=True))
                model = segment.load(run.path)
                found[f"{name}, {network}"] = shares(model, files)
                if model.slice_axis is not None:
                    resampling = replace(model, spacing=(0.8, 0.8, 0.8))
                    found[f"{name}, {network}, resampled to 0.8 mm and back"] = shares(resampling, files)
    return found


def shares(model: Any, files: list[tuple[Path, ...]]) -> dict[str, float]:
    """Images per CPU second of `predict`, the median over images, and the part of the time that each step takes."""
    from gnomon.segment import reading

    within: list[float] = []
    begun = [0.0]
    hooks = (
        model.network.register_forward_pre_hook(lambda *_: begun.__setitem__(0, time.process_time())),
        model.network.register_forward_hook(lambda *_: within.append(time.process_time() - begun[0])),
    )
    model.predict(files[0])
    whole, read, network = [], [], []
    for paths in files:
        within.clear()
        start = time.process_time()
        array, frame = reading.read_case_image(paths)
        loaded = time.process_time()
        model.predict_array(array, frame, str(paths[0]))
        whole.append(time.process_time() - start)
        read.append(loaded - start)
        network.append(sum(within))
    for hook in hooks:
        hook.remove()
    total = sum(whole)
    return {
        "images": len(files),
        "per_cpu_second": round(1 / median(whole), 2),
        "reading": round(sum(read) / total, 3),
        "network": round(sum(network) / total, 3),
        "grid, windows, entropy": round(1 - (sum(read) + sum(network)) / total, 3),
    }


def print_predict(found: dict[str, Any]) -> None:
    """The table of `predict`."""
    print("prediction from file to mask, one thread, networks trained for two steps")
    for name, each in found.items():
        print(
            f"  {name:58} {each['per_cpu_second']:7.2f} a CPU second; reading {each['reading']:.0%}, network"
            f" {each['network']:.0%}, the rest {each['grid, windows, entropy']:.0%}"
        )


# -- audit ---------------------------------------------------------------------------------------------------------


def audit(chosen: argparse.Namespace) -> dict[str, Any]:
    """Wall and CPU seconds of the command, from start to exit."""
    found = {}
    for name, (where, labels) in SETS.items():
        command = [sys.executable, "-m", "gnomon", "segment", "audit", Path(os.environ["GNOMON_DATA_DIR"]) / where]
        options = [part for label in labels for part in ("--label", label)]
        spent: Times = {"wall": [], "cpu": []}
        for _ in range(chosen.rounds):
            begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([*command, *options], capture_output=True, check=False)
            assert done.returncode in (0, 1), done.stderr.decode()  # 1: errors were found, as hippocampus has them
            now = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent["wall"].append(time.perf_counter() - begun)
            spent["cpu"].append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
        found[name] = summary(spent)
    return found


def print_audit(found: dict[str, Any]) -> None:
    """The table of `audit`."""
    print("gnomon segment audit, the whole command, seconds, min / median")
    for name, each in found.items():
        wall, cpu = each["wall"], each["cpu"]
        print(f"  {name:12} wall {wall['min']:.2f} / {wall['median']:.2f}, CPU {cpu['min']:.2f} / {cpu['median']:.2f}")
    print(f"  (limit {LIMITS['seconds of an audit']:g} s each)")


PARTS: dict[str, tuple[Callable[[argparse.Namespace], dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "published": (published, print_published),
    "step": (step, print_step),
    "predict": (predict, print_predict),
    "audit": (audit, print_audit),
}


def main() -> None:
    """Measure, print and write every part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--official", type=Path, metavar="PATH", help="a checkout of the public TransCeption code")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=30, help="files of each set to predict")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}")
    if chosen.official is not None and not (chosen.official / "networks" / "MSTr.py").is_file():
        parser.error(f"--official {chosen.official} is no checkout of TransCeption: it has no networks/MSTr.py")
    parts = chosen.parts or list(PARTS)
    if "GNOMON_DATA_DIR" not in os.environ and {"predict", "audit"} & set(parts):
        print("predict and audit need the public data sets: GNOMON_DATA_DIR is not set, so they are left out.")
        parts = [part for part in parts if part not in ("predict", "audit")]
    for part in parts:
        measure, show = PARTS[part]
        about = machine()
        print(f"{about['processor']}, {about['cores']} cores, load {about['load']}")
        found = measure(chosen)
        show(found)
        save(
            f"segment_transception_{part}",
            {"machine": about, "load_after": list(os.getloadavg()), "rounds": chosen.rounds, "limits": LIMITS, **found},
        )


if __name__ == "__main__":
    main()
