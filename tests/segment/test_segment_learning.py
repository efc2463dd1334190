"""Training on the two real data sets: above what colours alone tell, and above a Dice of .6 in volumes."""

import json
import os
from pathlib import Path

import pytest

from gnomon.runs.progress import Progress
from gnomon.segment.prepare import prepare
from gnomon.segment.recipe import read_recipe
from gnomon.segment.train import train

RECIPES = Path(__file__).parents[2] / "recipes"


def real(name: str) -> Path:
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment" / name
    if not folder.is_dir():
        pytest.skip(f"the data set segment/{name} is not in GNOMON_DATA_DIR")
    return folder


@pytest.mark.slow
def test_cells_are_found_better_than_their_colours_tell(tmp_path):
    """A histogram of 32 x 32 x 32 colours reaches .819 for the cytoplasm and .905 for the nucleus."""
    labels = {"background": 0, "cytoplasm": 128, "nucleus": 255}
    prepare(real("wbc"), tmp_path / "cells", labels=labels)
    settings = ['model.name="unet"', "model.base_channels=8", "train.steps=80", "train.lr=5e-3"]
    recipe = read_recipe(RECIPES / "segment-cells.toml", settings, data=tmp_path / "cells")
    dice = train(recipe, out=tmp_path / "run", progress=Progress(quiet=True)).summary()["dice"]
    assert dice["cytoplasm"]["value"] > 0.819
    assert dice["nucleus"]["value"] > 0.905


@pytest.mark.slow
def test_the_hippocampus_is_found_in_volumes(tmp_path):
    """Every fourth of the 180 volumes, in patches smaller than a slice."""
    root = real("hippocampus3d")
    names = sorted(
        {file.name for file in (root / "images").iterdir()} & {file.name for file in (root / "labels").iterdir()}
    )
    cases = [{key: str(root / f"{key}s" / name) for key in ("image", "label")} for name in names[::4]]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    prepare(tmp_path / "cases.json", tmp_path / "hippocampus", labels={"background": 0, "anterior": 1, "posterior": 2})
    settings = [
        'model.name="unet"',
        "model.base_channels=8",
        "train.patch_size=[32, 32]",
        "train.steps=250",
        "train.lr=1e-2",
    ]
    recipe = read_recipe(RECIPES / "segment-hippocampus.toml", settings, data=tmp_path / "hippocampus")
    dice = train(recipe, out=tmp_path / "run", progress=Progress(quiet=True)).summary()["dice"]
    assert dice["anterior"]["value"] > 0.6
    assert dice["posterior"]["value"] > 0.6
