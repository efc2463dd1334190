"""For tests of searches: a space of 1,024 architectures, and noisy scores with an optimum that is known."""

import numpy as np

from gnomon.search.spaces import Space
from gnomon.seeds import derive

BEST = "a=3;b=1;c=2;d=0;e=3"


class Grid(Space):
    name = "grid"
    task = "images"

    def __init__(self, options=4):
        self.genes = {name: tuple(range(options)) for name in "abcde"}

    def build(self, arch, *, seed):
        raise NotImplementedError

    def describe(self, arch):
        raise NotImplementedError


class Scores:
    """Minus the distance to BEST plus noise; `asked` is how many repeats of each architecture were asked for."""

    rankers = ("s", "noise")

    def __init__(self, spread=0.1, noise="normal", lacking=(), seed=0):
        self.spread, self.noise, self.lacking, self.seed = spread, noise, set(lacking), seed
        self.asked = {}
        self.wanted = Grid().decode(BEST)

    def value(self, text):
        return -sum(abs(a - b) for a, b in zip(Grid().decode(text), self.wanted, strict=True))

    def __contains__(self, text):
        return text not in self.lacking

    def samples(self, text, ranker, n):
        assert text not in self.lacking
        self.asked[text] = max(n, self.asked.get(text, 0))
        rng = np.random.default_rng(derive(self.seed, text))
        drawn = rng.standard_cauchy(40) if self.noise == "cauchy" else rng.normal(size=40)
        return (self.value(text) * (ranker == "s") + self.spread * drawn)[:n]
