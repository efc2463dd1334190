"""A space of one's own is its genes, `build` and `describe`: everything else follows, and mistakes are named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_space import Tiny

from gnomon.errors import UserError
from gnomon.search import spaces
from gnomon.search.spaces import Space

ARCH = st.tuples(st.sampled_from((2, 3, 4)), st.sampled_from(("relu", "tanh")), st.sampled_from((1, 2)))


class Restricted(Tiny):
    """Only networks whose width and depth are not both largest."""

    def allowed(self, arch):
        return (arch[0], arch[2]) != (4, 2)


@given(ARCH)
def test_text_and_back(arch):
    space = Tiny()
    assert space.decode(space.encode(arch)) == arch
    assert space.decode(" depth=2 ;width=3; activation=tanh") == (3, "tanh", 2)


@given(ARCH, st.integers(0, 2**31))
def test_a_mutation_is_one_of_the_neighbours_which_differ_in_one_gene(arch, seed):
    space = Tiny()
    neighbours = list(space.neighbours(arch))
    assert len(neighbours) == len(set(neighbours)) == 2 + 1 + 1
    assert all(sum(a != b for a, b in zip(arch, other, strict=True)) == 1 for other in neighbours)
    assert space.mutate(arch, np.random.default_rng(seed)) in neighbours


@given(ARCH, ARCH, st.integers(0, 2**31))
def test_a_crossing_takes_each_gene_from_a_parent(a, b, seed):
    child = Tiny().crossover(a, b, np.random.default_rng(seed))
    assert all(gene in pair for gene, pair in zip(child, zip(a, b, strict=True), strict=True))


def test_mutations_and_crossings_reach_everything():
    space, rng = Tiny(), np.random.default_rng(0)
    assert {space.mutate((2, "relu", 1), rng) for _ in range(200)} == set(space.neighbours((2, "relu", 1)))
    assert len({space.crossover((2, "relu", 1), (3, "tanh", 2), rng) for _ in range(300)}) == 8
    assert len({space.sample(rng) for _ in range(500)}) == space.size == 12


def test_what_is_not_allowed_is_never_proposed():
    space, rng = Restricted(), np.random.default_rng(0)
    assert space.size is None
    for _ in range(300):
        arch = space.sample(rng)
        assert space.allowed(arch)
        assert space.allowed(space.mutate(arch, rng))
        assert space.allowed(space.crossover((4, "relu", 1), (3, "relu", 2), rng))
    with pytest.raises(UserError, match="is not allowed in 'tiny'"):
        space.decode("width=4;activation=relu;depth=2")


def test_a_space_without_an_allowed_architecture_says_so():
    class Empty(Tiny):
        def allowed(self, arch):
            return False

    with pytest.raises(UserError, match="none of 10000 drawn"):
        Empty().sample(np.random.default_rng(0))
    with pytest.raises(UserError, match="has no neighbour"):
        Empty().mutate((2, "relu", 1), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width=5;activation=relu;depth=1", "width = '5' is not one of 2, 3, 4"),
        ("width=2;depth=1", "activation is missing; it is one of relu, tanh"),
        ("width=2;activation=relu;depth=1;bias=0", "'bias' is not one of width, activation, depth"),
        ("nonsense", "'nonsense' is not one of width"),
        ("", "width is missing"),
    ],
)
def test_text_that_is_no_architecture(text, said):
    with pytest.raises(UserError, match="is no architecture of 'tiny'") as caught:
        Tiny().decode(text)
    assert said in str(caught.value)


def test_spaces_by_name():
    assert {"nb201", "decoder-lm", "transception"} <= set(spaces.names())
    own = spaces.get("tiny_space:Tiny", widths=[2, 5])
    assert isinstance(own, Space)
    assert own.genes["width"] == (2, 5)
    assert spaces.options("tiny_space:Tiny")["widths"] == (2, 3, 4)
    with pytest.raises(UserError, match="There is no space 'nb2o1'; did you mean 'nb201'"):
        spaces.get("nb2o1")
    with pytest.raises(UserError, match="there are decoder-lm, nb201, transception"):
        spaces.get("zzz")
    with pytest.raises(UserError, match="has no option 'width'; did you mean 'widths'"):
        spaces.get("tiny_space:Tiny", width=[2])
    with pytest.raises(UserError, match="module 'tiny_spaces' cannot be imported"):
        spaces.get("tiny_spaces:Tiny")
    with pytest.raises(UserError, match="has no 'Small'"):
        spaces.get("tiny_space:Small")
