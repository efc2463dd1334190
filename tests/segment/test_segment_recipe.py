"""The recipe of a training: the keys the documentation names, the recipes in the box, and every mistake in one sentence."""

import tomllib
from pathlib import Path

import pytest

from gnomon.errors import UserError
from gnomon.segment.networks import build, count_parameters
from gnomon.segment.recipe import Recipe, from_settings, parse_fold, read_recipe, to_settings

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_keys_and_defaults_are_those_documented():
    assert read_recipe(None, data="prepared").model_dump(mode="json") == {
        "data": {"path": "prepared", "slice_axis": "axial"},
        "model": {
            "name": "transception",
            "base_channels": 16,
            "stage_depths": [2, 1, 2, 1],
            "bridge": ["channel", "spatial", "spatial", "spatial"],
        },
        "train": {
            "patch_size": [96, 96],
            "batch_size": 8,
            "steps": 1000,
            "optimizer": "adamw",
            "lr": 1e-3,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "loss": "transception",
            "augment": "light",
            "flip_axes": [0, 1],
            "checkpoint_every": 100,
            "validate_every": 250,
            "keep": "last",
            "seed": 0,
            "threads": None,
            "device": "auto",
        },
        "predict": {"overlap": 0.5, "keep_largest": False},
    }


@pytest.mark.parametrize("path", sorted(RECIPES.glob("segment-*.toml")), ids=lambda path: path.stem)
def test_a_recipe_in_the_box_is_read_whole(path):
    recipe = read_recipe(path)
    written = tomllib.loads(path.read_text())
    for table, keys in written.items():
        for key, value in keys.items():
            stored = getattr(getattr(recipe, table), key)
            assert (list(stored) if isinstance(stored, tuple) else stored) == value
    assert path.read_text().startswith("# ")


def test_the_small_recipe_is_the_defaults():
    assert read_recipe(RECIPES / "segment-small.toml") == read_recipe(None, data="prepared")


def test_the_published_recipe_is_the_published_model_and_optimiser():
    recipe = read_recipe(RECIPES / "segment-published.toml")
    assert (recipe.model.base_channels, recipe.model.stage_depths) == (64, (2, 3, 8, 3))
    train = recipe.train
    assert (train.optimizer, train.lr, train.momentum, train.weight_decay) == ("sgd", 0.05, 0.9, 1e-4)
    assert train.patch_size == (224, 224)
    assert 16 <= train.batch_size <= 24
    assert train.augment == "strong"


def test_the_tiny_recipe_is_the_smallest_width():
    model = read_recipe(RECIPES / "segment-tiny.toml").model
    assert count_parameters(build(model, in_channels=3, classes=3, seed=0)) == 473_945


@pytest.mark.parametrize(
    ("table", "line", "says"),
    [
        ("train", "stepz = 4", "r.toml:4: train.stepz is not a known key; did you mean 'steps'?"),
        ("train", "lr = 0", "train.lr = 0, but it should be greater than 0"),
        ("train", "lr = -1e-3", "train.lr = -0.001, but it should be greater than 0"),
        ("train", "lr = nan", "train.lr = nan, but it should be"),
        ("train", 'steps = "many"', "train.steps = 'many', but it should be a valid integer"),
        ("train", "steps = true", "train.steps = True, but it should be a valid integer"),
        ("train", 'steps = "5"', "train.steps = '5', but it should be a valid integer"),
        ("train", 'lr = "1e-3"', "train.lr = '1e-3', but it should be a valid number"),
        ("train", "patch_size = [96.0, 96]", "train.patch_size.0 = 96.0, but it should be a valid integer"),
        ("predict", 'keep_largest = "yes"', "predict.keep_largest = 'yes', but it should be a valid boolean"),
        ("train", "steps = 0", "train.steps = 0, but it should be greater than 0"),
        ("train", "patch_size = [100, 96]", "r.toml:4: train.patch_size: 100 is not a multiple of 32; 96 would be."),
        ("train", "patch_size = [96]", "train.patch_size = [96]"),
        ("train", 'optimizer = "adam"', "train.optimizer = 'adam', but it should be 'adamw' or 'sgd'"),
        ("train", 'loss = "dice"', "'transception' or 'dice_ce'"),
        ("train", 'augment = "heavy"', "'none', 'light' or 'strong'"),
        ("train", "flip_axes = [2]", "train.flip_axes.0 = 2, but it should be 0 or 1"),
        ("train", "flip_axes = [1, 1]", "train.flip_axes: [1, 1] names an axis twice"),
        ("train", 'device = "tpu"', "train.device: 'tpu' is no device that is used; 'auto', 'cpu', 'cuda' or 'cuda:1'"),
        ("train", 'keep = "worst"', "'last' or 'best'"),
        ("model", "base_channels = 20", "r.toml:4: model.base_channels: 20 is not a multiple of 8; 16 would be."),
        ("model", 'name = "vit"', "model.name = 'vit', but it should be 'transception', 'unet' or 'segresnet'"),
        ("model", "stage_depths = [1, 1, 1]", "model.stage_depths = [1, 1, 1]"),
        ("model", 'bridge = ["spatial", "spatial", "spatial", "both"]', "model.bridge.3 = 'both'"),
        ("predict", "overlap = 1", "predict.overlap = 1, but it should be less than 1"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(tmp_path, table, line, says):
    file = tmp_path / "r.toml"
    file.write_text(f'[data]\npath = "prepared"\n[{table}]\n{line}\n')
    with pytest.raises(UserError) as found:
        read_recipe(file)
    assert says in str(found.value)
    assert str(found.value).startswith(f"{file}:4: ")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.lr=0", "--set train.lr = 0"),
        ("data.slice_axis=2", "--set data.slice_axis = 2, but it should be 'axial', 'coronal' or 'sagittal'"),
        ('modle.name="unet"', "modle is not a known key; did you mean 'model'?"),
    ],
)
def test_a_mistake_in_an_override_is_named_by_it(override, says):
    with pytest.raises(UserError) as found:
        read_recipe(RECIPES / "segment-small.toml", [override])
    assert says in str(found.value)


def test_one_value_per_channel_is_refused_before_anything_starts():
    single = ["train.batch_size=1", "train.patch_size=[32, 32]"]
    with pytest.raises(UserError, match=r"one value per channel.*64 or a larger batch"):
        read_recipe(None, single, data="prepared")
    for more in (['model.name="unet"'], ["train.batch_size=2"], ["train.patch_size=[32, 64]"]):
        read_recipe(None, [*single, *more], data="prepared")


def test_data_come_from_the_option_the_override_or_the_file():
    file = RECIPES / "segment-cells.toml"
    assert read_recipe(file).data.path == "cells"
    assert read_recipe(file, data="mine").data.path == "mine"
    assert read_recipe(file, ['data.path="set"'], data="mine").data.path == "set"
    assert read_recipe(None, ["data.path=alone"]).data.path == "alone"
    with pytest.raises(UserError, match="--data prepared"):
        read_recipe(None)


def test_what_a_run_stores_is_the_recipe_and_the_fold():
    recipe = read_recipe(None, ["train.seed=5", "train.threads=2"], data="prepared")
    settings = to_settings(recipe, "all")
    assert (settings["fold"], settings["seed"]) == ("all", 5)
    assert from_settings(settings) == (recipe, "all")
    assert isinstance(from_settings(to_settings(recipe, 3))[0], Recipe)


def test_folds_are_numbers_all_or_none():
    assert [parse_fold(text) for text in ("0", "12", "all", "none")] == [0, 12, "all", "none"]
    for text in ("-1", "1.5", "some", ""):
        with pytest.raises(UserError, match=f"--fold {text}"):
            parse_fold(text)
