"""Random numbers addressed by name and block, never by how many were drawn before.

Philox is counter-based: the stream of (seed, name, block) is a pure function of those three. That is what
makes an hour generated alone equal to the same hour cut out of a day.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def stream(seed: int, name: str, block: int = 0) -> np.random.Generator:
    """Open the random stream of one block.

    Args:
        seed: the user's seed, any integer >= 0.
        name: what the numbers are for, e.g. ``"streetlights/minute"``; two names never share a stream.
        block: the number of the time block, device block or campaign, >= 0.
    """
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, block]))


def bits32(generator: np.random.Generator, count: int) -> npt.NDArray[np.uint32]:
    """Draw ``count`` words of 32 random bits, two per raw word: the cheapest bulk randomness there is."""
    raw: npt.NDArray[np.uint64] = np.asarray(generator.bit_generator.random_raw((count + 1) // 2))
    return raw.astype("<u8", copy=False).view("<u4")[:count]


def sparse(generator: np.random.Generator, count: int, chance: float) -> npt.NDArray[np.int64]:
    """Choose rows out of ``count`` so that each is chosen ``chance`` times on average; a row may come twice.

    Costs what it chooses, not what it chooses from: a Bernoulli draw per row would cost more than the row.
    """
    if count == 0 or chance <= 0.0:
        return np.empty(0, dtype=np.int64)
    return generator.integers(0, count, size=int(generator.binomial(count, chance)), dtype=np.int64)
