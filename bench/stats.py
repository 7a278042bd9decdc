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
