"""One seed for a whole run, and a generator of its own for every purpose in it.

A number drawn for one purpose never shifts the numbers of another, so a resumed run or another worker count
draws what an uninterrupted one would have drawn.
"""

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every part of `purpose`, and on nothing else."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
