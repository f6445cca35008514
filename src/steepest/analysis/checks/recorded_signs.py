"""What the quantities that `record=` kept of each step add to a finding: measured evidence of noise, and of a rate.

    norm_test, gradient_noise, snr     to a noise floor and to a rate over the limit, of minibatches
    update_ratio                       to a rate over or far under the limit

They add to what was found and find nothing by themselves: a batch may be small against its noise in a descent that is fine.
"""

from __future__ import annotations

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
        told += [_norm_test(fit), _gradient_noise(fit), _snr(fit)]
    if finding.kind in OF_RATE:
        told.append(_update_ratio(fit))
    return replace(finding, evidence=" ".join(part for part in told if part))


def _late(fit: Fitted, name: str) -> np.ndarray:
    """A quantity over the last half of the recorded steps, where it could be told; none where it was not recorded."""
    values = getattr(fit.trace, name)
    if values is None:
        return np.empty(0)
    late = np.asarray(values)[len(values) // 2 :]
    return late[~np.isnan(late)]


def _norm_test(fit: Fitted) -> str:
    late = _late(fit, "norm_test")
    if not len(late):
        return ""
    share = float(np.mean(late > NOISY))
    return f"In {share:.0%} of the last half's recorded steps the batch fails the norm test: its noise is over its gradient."


def _gradient_noise(fit: Fitted) -> str:
    late, size = _late(fit, "gradient_noise"), fit.spec.rows_of_step
    if not len(late) or size is None:
        return ""
    middle = float(np.median(late))
    if np.isinf(middle):
        return f"In most of them a batch of {size:,} rows shows no more than noise."
    return f"The gradient noise is there that of {number(middle)} rows in the middle; a batch has {size:,}."


def _snr(fit: Fitted) -> str:
    late = _late(fit, "snr")
    return (
        f"The signal-to-noise ratio of a row's gradient is {number(float(np.median(late)))} there." if len(late) else ""
    )


def _update_ratio(fit: Fitted) -> str:
    late = _late(fit, "update_ratio")
    if not len(late):
        return ""
    usual = f"; {number(USUAL)} is usual for a network" if fit.network is not None else ""
    return f"A step moved the parameters by {number(float(np.median(late)))} of their length over the last half{usual}."
