"""The five ways to walk: random, racing, aging evolution, greedy evolution and FreeREA, with the comparator inside."""
