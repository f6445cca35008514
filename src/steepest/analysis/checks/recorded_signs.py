"""What the quantities that `record=` kept of each step add to a finding: measured evidence of noise, and of a rate.

    norm_test, gradient_noise, snr     to a noise floor and to a rate over the limit, of minibatches
    update_ratio                       to a rate over or far under the limit

They add to what was found and find nothing by themselves: a batch may be small against its noise in a descent that is fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.text.numbers import number

NOISY = 0.9**2
"""The norm test of Byrd et al. 2012: above it a batch is too small."""

USUAL = 1e-3
"""A step over the length of the parameters, as is usual for a network (Schneider, Dangel and Hennig 2021)."""

OF_NOISE, OF_RATE = {Kind.NOISE, Kind.RATE_TOO_HIGH}, {Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW}


def with_recorded(finding: Finding, fit: Fitted) -> Finding:
    """A finding with what was recorded of the steps in its evidence."""
    told = [finding.evidence]
    if finding.kind in OF_NOISE:
        told += _of_noise(fit)
    if finding.kind in OF_RATE and len(late := _late(fit, "update_ratio")):
        usual = f"; {number(USUAL)} is usual for a network" if fit.network is not None else ""
        moved = number(float(np.median(late)))
        told.append(f"A step moved the parameters by {moved} of their length over the last half{usual}.")
    return replace(finding, evidence=" ".join(part for part in told if part))


def _late(fit: Fitted, name: str) -> np.ndarray:
    """A quantity over the last half of the recorded steps, where it could be told; none where it was not recorded."""
    values = getattr(fit.trace, name)
    if values is None:
        return np.empty(0)
    late = np.asarray(values)[len(values) // 2 :]
    return late[~np.isnan(late)]


def _of_noise(fit: Fitted) -> Iterator[str]:
    if len(late := _late(fit, "norm_test")):
        share = float(np.mean(late > NOISY))
        yield f"In {share:.0%} of the last half's recorded steps the batch fails the norm test: its noise is over its gradient."
    size = fit.spec.rows_of_step
    if len(late := _late(fit, "gradient_noise")) and size is not None:
        middle = float(np.median(late))
        if np.isinf(middle):
            yield f"In most of them a batch of {size:,} rows shows no more than noise."
        else:
            yield f"The gradient noise is there that of {number(middle)} rows in the middle; a batch has {size:,}."
    if len(late := _late(fit, "snr")):
        yield f"The signal-to-noise ratio of a row's gradient is {number(float(np.median(late)))} there."
