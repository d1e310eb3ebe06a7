"""Sketches: how often a value fell into each of buckets whose width grows with the value, as in DDSketch.

A bucket is told by the value in its middle, which is off by `RELATIVE_ERROR` of any value in it at most; so is every
percentile, however many sketches were merged. One is kept as numbers of 32 bits: a bucket in the upper half, how often
in the lower. A bucket may come more than once: so sketches are merged by putting one behind the other, and counting
numbers that are the same costs next to nothing, where decoding each of thousands of sketches would.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

from jieqian.metrics.figures import LEAST, MOST, RELATIVE_ERROR

#: How often each bucket was hit. Bucket 0 holds what is shorter than `LEAST`.
Buckets = Counter[int]

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG = 1 / math.log(_GAMMA)
#: The bucket of `LEAST` itself is number 1.
_FIRST = math.ceil(math.log(LEAST) * _PER_LOG) - 1
_MOST_AT_ONCE = 0xFFFF
#: So many numbers are counted in one go: nothing else of the process runs meanwhile.
_IN_ONE_GO = 32_768


def bucket_of(value: float) -> int:
    """The bucket a value falls into."""
    return 0 if value < LEAST else math.ceil(math.log(min(value, MOST)) * _PER_LOG) - _FIRST


def middle_of(bucket: int) -> float:
    """What a value in that bucket is told as."""
    return 0.0 if bucket <= 0 else 2 * math.exp((bucket + _FIRST) / _PER_LOG) / (1 + _GAMMA)


def one_sample(value: float) -> bytes:
    """The sketch of one value, as it is kept."""
    return (bucket_of(value) << 16 | 1).to_bytes(4, "little")


def encode(buckets: Mapping[int, int]) -> bytes:
    """As it is kept."""
    numbers = array("I")
    for bucket, times in sorted(buckets.items()):
        while times > _MOST_AT_ONCE:
            numbers.append(bucket << 16 | _MOST_AT_ONCE)
            times -= _MOST_AT_ONCE
        numbers.append(bucket << 16 | times)
    return little(numbers).tobytes()


def decode(kept: Iterable[bytes]) -> Buckets:
    """What the kept sketches come to together."""
    numbers: Counter[int] = Counter()
    kept = iter(kept)
    while some := b"".join(islice(kept, _IN_ONE_GO)):
        for start in range(0, len(some), _IN_ONE_GO * 4):
            numbers.update(little(array("I", some[start : start + _IN_ONE_GO * 4])))
    buckets: Buckets = Counter()
    for number, found in numbers.items():
        buckets[number >> 16] += (number & _MOST_AT_ONCE) * found
    return buckets


def percentile(buckets: Mapping[int, int], percent: float) -> float | None:
    """The nearest-rank percentile, within `RELATIVE_ERROR` of itself; None of nothing."""
    return percentiles(buckets, (percent,))[0]


def percentiles(buckets: Mapping[int, int], wanted: Iterable[float]) -> tuple[float | None, ...]:
    """Several in one go, in the order asked for."""
    ordered = sorted(buckets.items())
    samples = sum(times for _, times in ordered)
    found: list[float | None] = []
    for percent in wanted:
        left = max(1, math.ceil(samples * percent / 100))
        found.append(next((middle_of(bucket) for bucket, times in ordered if (left := left - times) <= 0), None))
    return tuple(found)


def little(numbers: array[int]) -> array[int]:
    """In the order of bytes that is kept, whatever this machine's is."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers
