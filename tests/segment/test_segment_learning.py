"""Training on the two real data sets: above what colours alone tell, and above a Dice of .6 in volumes."""

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
    settings = ['model.name="unet"', "train.steps=120", "train.validate_every=120"]
    recipe = read_recipe(RECIPES / "segment-cells.toml", settings, data=tmp_path / "cells")
    dice = train(recipe, out=tmp_path / "run", progress=Progress(quiet=True)).summary()["dice"]
    assert dice["cytoplasm"]["value"] > 0.819
    assert dice["nucleus"]["value"] > 0.905


@pytest.mark.slow
def test_the_hippocampus_is_found_in_volumes(tmp_path):
    labels = {"background": 0, "anterior": 1, "posterior": 2}
    prepare(real("hippocampus3d"), tmp_path / "hippocampus", labels=labels, skip_bad=True)
    settings = ['model.name="unet"', "train.steps=250", "train.lr=5e-3", "train.validate_every=250"]
    recipe = read_recipe(RECIPES / "segment-hippocampus.toml", settings, data=tmp_path / "hippocampus")
    dice = train(recipe, out=tmp_path / "run", progress=Progress(quiet=True)).summary()["dice"]
    assert dice["anterior"]["value"] > 0.6
    assert dice["posterior"]["value"] > 0.6
