"""Decoder language models as a space: the text, the arithmetic against what is built, and the genes."""

import os
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import polars
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from gnomon.errors import UserError
from gnomon.search import spaces

TABLE = Path(os.environ.get("GNOMON_DATA_DIR", "/nowhere"), "nas", "gpt_s.csv.gz")
SMALL = {
    "vocab_size": 50,
    "context": 8,
    "widths": [16, 24, 32],
    "depths": [1, 2, 3],
    "heads": [1, 2, 3],
    "ffn_ratios": [1, 2.5],
}
GENES = ("width", "layers", "heads", "ffn_ratio")


def genes_of(text):
    """The genes as the text shows them, the feed-forward size as a share of the width."""
    found = {key: int(value) for key, value in (part.split("=") for part in text.split(";"))}
    return found["width"], found["layers"], found["heads"], Fraction(found["ffn"], found["width"]), found["bias"]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "width=16;layers=1;heads=1;ffn=5;bias=0",
        "width=24;layers=3;heads=3;ffn=60;bias=0",
        "width=24;layers=2;heads=2;ffn=31;bias=1",
        "width=32;layers=2;heads=4,4;ffn=64,64;bias=1",
    ],
)
def test_it_is_counted_as_it_is_built(text, tied):
    space = spaces.get("decoder-lm", **SMALL, tied=tied)
    model = space.build(space.decode(text), seed=0)
    described = space.describe(space.decode(text))
    ends = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    assert len(ends) == (1 if tied else 2)
    assert described["params"] == sum(p.numel() for p in model.parameters())
    assert described["params_non_embedding"] == sum(p.numel() for p in model.parameters() if id(p) not in ends)
    assert described["layers"] == len(model.model.layers)
    assert described["width"] == model.config.hidden_size
    biased = [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert len(biased) == (7 * described["layers"] if "bias=1" in text else 0)

    counted = []
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda m, args, out: counted.append(out.numel() * m.in_features))
    assert model(input_ids=torch.zeros(1, 8, dtype=torch.long)).logits.shape == (1, 8, 50)
    assert described["macs"] == sum(counted)


def test_weights_follow_from_the_seed_alone():
    space = spaces.get("decoder-lm", **SMALL)
    arch = space.decode("width=16;layers=1;heads=2;ffn=16;bias=0")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = space.build(arch, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    same, other = space.build(arch, seed=3).state_dict(), space.build(arch, seed=4).state_dict()
    assert all(torch.equal(value, same[key]) for key, value in one.state_dict().items())
    assert not torch.equal(one.state_dict()["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    assert one.training


def test_layers_that_differ_are_described_and_not_built():
    space = spaces.get("decoder-lm", **SMALL)
    text = "width=24;layers=2;heads=1,3;ffn=24,60;bias=0"
    lists = space.decode(text)
    assert space.encode(lists) == text
    mean = space.describe(space.decode("width=24;layers=2;heads=1;ffn=42;bias=0"))
    assert space.describe(lists) == mean
    with pytest.raises(UserError, match="cannot be built: its layers differ in heads"):
        space.build(lists, seed=0)
    with pytest.raises(UserError, match="differ in ffn"):
        space.build(space.decode("width=24;layers=2;heads=3,3;ffn=24,60;bias=0"), seed=0)
    # A change away from a list makes it one number; the number of layers stays while there is a list.
    changed = {space.encode(other) for other in space.neighbours(lists)}
    assert "width=24;layers=2;heads=2;ffn=24,60;bias=0" in changed
    assert not any("layers=3" in text for text in changed)


@pytest.mark.skipif(not TABLE.is_file(), reason="nas/gpt_s.csv.gz is not in GNOMON_DATA_DIR")
def test_the_published_decoders_rank_by_their_parameters():
    table = polars.read_csv(TABLE)
    space = spaces.get("decoder-lm", vocab_size=50254, context=1024)
    archs = [space.decode(text) for text in table["arch"]]
    assert [space.encode(arch) for arch in archs] == table["arch"].to_list()
    params = np.array([space.describe(arch)["params_non_embedding"] for arch in archs])
    good, widths = -table["perplexity"].to_numpy(), np.array([arch[0] for arch in archs])
    # HW-GPT-Bench's own layers have no gate: counted like that the correlation is .980.
    assert spearmanr(params, good).statistic == pytest.approx(0.979, abs=5e-4)
    within = [spearmanr(params[widths == width], good[widths == width]).statistic for width in (192, 384, 768)]
    assert within == pytest.approx([0.752, 0.808, 0.875], abs=1e-3)


def everything(space):
    """Every allowed architecture, found by trying all."""
    return [arch for arch in product(*space.genes.values()) if space.allowed(arch)]


@pytest.mark.parametrize("band", [{}, {"max_params": 20_000}, {"min_params": 6_000, "max_params": 12_000}])
def test_the_band_is_what_it_says(band):
    space = spaces.get("decoder-lm", **SMALL, **band)
    found = everything(space)
    assert space.size == len(found) == len({space.encode(arch) for arch in found})
    sizes = [sum(p.numel() for p in space.build(arch, seed=0).parameters()) for arch in found]
    assert min(sizes) >= band.get("min_params", 0)
    assert max(sizes) <= band.get("max_params", 10**9)
    if band:
        assert space.size < spaces.get("decoder-lm", **SMALL).size
    rng = np.random.default_rng(0)
    drawn = [space.encode(space.sample(rng)) for _ in range(60 * space.size)]
    counts = [drawn.count(space.encode(arch)) for arch in found]
    assert sum(counts) == len(drawn)
    assert min(counts) > 25  # of 60 expected: each is as likely as any other
    assert max(counts) < 110


def test_neighbours_differ_in_one_gene():
    space = spaces.get("decoder-lm", **SMALL, min_params=4_000, max_params=20_000)
    found = everything(space)
    for arch in found:
        expected = {other for other in found if sum(a != b for a, b in zip(arch, other, strict=True)) == 1}
        assert set(space.neighbours(arch)) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_changing_and_crossing(seed, narrow):
    band = {"min_params": 100_000, "max_params": 200_000} if narrow else {}
    space = spaces.get("decoder-lm", **band)
    rng = np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    for arch in (a, b):
        text = space.encode(arch)
        assert space.decode(text) == arch
        assert space.allowed(arch)
        width, _, heads, ratio, _ = genes_of(text)
        assert width % heads == 0
        assert width // heads % 2 == 0
        assert ratio in (1, 2, 3, 4)
    one, other = genes_of(space.encode(a)), genes_of(space.encode(space.mutate(a, rng)))
    assert sum(x != y for x, y in zip(one, other, strict=True)) == 1
    child = space.crossover(a, b, rng)
    assert space.allowed(child)
    mixed = zip(genes_of(space.encode(child)), one, genes_of(space.encode(b)), strict=True)
    assert all(gene in (x, y) for gene, x, y in mixed)


def test_all_four_genes_change():
    space = spaces.get("decoder-lm")
    arch = space.decode("width=96;layers=4;heads=4;ffn=288;bias=0")
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        other = space.mutate(arch, rng)
        seen |= {name for name, x, y in zip(space.genes, arch, other, strict=True) if x != y}
        if other[0] != arch[0]:
            assert f"ffn={3 * other[0]};" in space.encode(other)
    assert seen == set(GENES)


def test_a_ratio_is_kept_where_it_gives_no_whole_number():
    space = spaces.get("decoder-lm", widths=[32, 64], depths=[1], heads=[2], ffn_ratios=[8 / 3, 4])
    texts = {space.encode(arch) for arch in everything(space)}
    assert texts == {
        f"width={w};layers=1;heads=2;ffn={f};bias=0" for w, f in ((32, 85), (32, 128), (64, 171), (64, 256))
    }
    narrow = space.decode("width=32;layers=1;heads=2;ffn=85;bias=0")
    assert {space.encode(other) for other in space.neighbours(narrow)} == {
        "width=64;layers=1;heads=2;ffn=171;bias=0",
        "width=32;layers=1;heads=2;ffn=128;bias=0",
    }


def test_texts_need_not_be_listed():
    space = spaces.get("decoder-lm", max_params=100_000)
    free = " layers=10; width=320 ;ffn=777;heads=5"
    assert space.encode(space.decode(free)) == "width=320;layers=10;heads=5;ffn=777;bias=0"
    assert not space.allowed(space.decode(free))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width=384;layers=10;heads=5;ffn=1536;bias=0", "heads = 5 does not divide width = 384"),
        ("width=36;layers=1;heads=4;ffn=72;bias=0", "heads = 4 does not divide width = 36 into heads of an even size"),
        ("width=24;layers=2;heads=3,5;ffn=24;bias=0", "heads = 5 does not divide"),
        ("width=24;layers=3;heads=3,2;ffn=24;bias=0", "heads lists 2 numbers for layers = 3"),
        ("width=24;layers=3;heads=3;ffn=1,2,3,4;bias=0", "ffn lists 4 numbers for layers = 3"),
        ("width=24;depth=3;heads=3;ffn=24;bias=0", "'depth' is no key; one of width, layers, heads, ffn, bias"),
        ("width=24;layers=3;heads=three;ffn=24;bias=0", "heads = 'three' is no number"),
        ("width=24;layers=0;heads=3;ffn=24;bias=0", "layers = '0' is no number"),
        ("width=24;layers=-3;heads=3;ffn=24;bias=0", "layers = '-3' is no number"),
        ("width=24;layers=1.5;heads=3;ffn=24;bias=0", "layers = '1.5' is no number"),
        ("width=24,24;layers=2;heads=3;ffn=24;bias=0", "width = '24,24' is a list"),
        ("width=24;layers=3;heads=3;bias=0", "ffn is missing"),
        ("layers=3;heads=3;ffn=24;bias=0", "width is missing"),
        ("width=24;layers=3;heads=3;heads=3;ffn=24;bias=0", "heads stands twice"),
        ("width=24;layers=3;heads=3;ffn=24;bias=2", "bias = '2'; 0 or 1"),
        ("width=24;layers=3;heads=;ffn=24;bias=0", "heads = '' is no number"),
        ("(4, 0, 3, 1, 4, 3)", "is no key=value"),
        ("", "is no key=value"),
    ],
)
def test_texts_that_are_no_architecture(text, said):
    space = spaces.get("decoder-lm")
    with pytest.raises(UserError) as caught:
        space.decode(text)
    assert said in str(caught.value)
    assert repr(text) in str(caught.value)
    assert str(caught.value).endswith("expected.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_params": 4_000}, "max_params = 4000 is below the smallest possible size, 15520 parameters"),
        ({"min_params": 10**8}, "min_params = 100000000 is above the largest possible size, 8459008 parameters"),
        ({"min_params": 110_001, "max_params": 110_002}, "the nearest have 109776 and 115296"),
        ({"min_params": 300_000, "max_params": 200_000}, "min_params = 300000 is above max_params = 200000"),
        ({"vocab_size": 1}, "vocab_size = 1 must be a whole number, at least 2"),
        ({"context": "many"}, "context = 'many' must be a whole number"),
        ({"max_params": 1.5}, "max_params = 1.5 must be a whole number"),
        ({"max_params": float("inf")}, "max_params = inf must be a whole number"),
        ({"widths": 64}, "widths = 64 must be a list"),
        ({"widths": "64"}, "widths = '64' must be a list"),
        ({"depths": []}, "depths = [] must be a list"),
        ({"depths": [True]}, "depths = True must be a whole number"),
        ({"widths": [33], "heads": [1, 3]}, "none of heads = 1, 3 divides any of widths = 33"),
        ({"ffn_ratios": [0]}, "ffn_ratios: 0 must be a positive number"),
        ({"ffn_ratios": ["two"]}, "ffn_ratios: 'two' must be a positive number"),
        ({"ffn_ratios": [0.001]}, "gives no hidden unit"),
        ({"ffn_ratios": [2, 2.001]}, "gives two ratios the same hidden size"),
        ({"width": [64]}, "did you mean 'widths'"),
    ],
)
def test_options_that_are_impossible(options, said):
    with pytest.raises(UserError) as caught:
        spaces.get("decoder-lm", **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(("edge", "size"), [({"max_params": 15_520}, 4), ({"min_params": 8_459_008}, 4)])
def test_the_smallest_and_largest_sizes_are_possible(edge, size):
    space = spaces.get("decoder-lm", **edge)  # the smallest width and the largest, with 1, 2, 4 or 8 heads
    assert space.size == len(everything(space)) == size


def test_a_whole_number_may_be_written_as_a_float():
    assert spaces.get("decoder-lm", max_params=2e6).max_params == 2_000_000
