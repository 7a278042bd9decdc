"""Statistics of samples. Every figure of the benchmark goes through these few functions."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest sample that at least `percent` of all samples do not exceed."""
    if not samples:
        raise ValueError("no samples")
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be in (0, 100], got {percent}")
    ordered = sorted(samples)
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def percentile_of_counts(counts: Sequence[tuple[float, int]], percent: float) -> float:
    """The same, of samples given as value and count."""
    total = sum(count for _, count in counts)
    if not total:
        raise ValueError("no samples")
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be in (0, 100], got {percent}")
    rank = math.ceil(percent / 100 * total)
    for value, count in sorted(counts):
        rank -= count
        if rank <= 0:
            return value
    raise AssertionError("a rank is at most the number of samples")


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two middle ones."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of the ratios of neighbours in time, so that what slows the whole machine for a while cancels out."""
    if len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} samples against {len(denominators)}")
    return median([a / b for a, b in zip(numerators, denominators)])
