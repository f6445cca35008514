"""Least squares with an l1 penalty, exactly: an active set of the entries that are not 0, found by feature-sign search.

Source: Lee, Battle, Raina and Ng, Efficient sparse coding algorithms (2007).
"""

from __future__ import annotations

from steepest.lazy import Tensor, torch


def feature_sign(root: Tensor, g: Tensor, thresholds: Tensor, start: Tensor) -> Tensor:
    """argmin over z `[p]` of g·d + ½|R·d|² + Σ thresholds·|z|, with d = z − start and R `[any, p]` the root of the Hessian.

    Signs are guessed, the system on the nonzero entries solved, and the best point on the way to its solution taken,
    crossings of zero included; then the zero entry that wants most to move is let go. Each pass lowers the objective,
    so it ends. The nearer the start, the fewer passes.

    >>> zero, ones = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    >>> feature_sign(torch.eye(2).double(), torch.tensor([-3.0, -0.5]).double(), ones, zero).tolist()
    [2.0, 0.0]
    """
    z = start.clone()
    free = thresholds == 0
    sign, active = torch.sign(z), free | (z != 0)
    pull = g.clone()
    scale = g.abs().max() + thresholds.max()
    for _ in range(50 + 10 * len(z)):
        index = active.nonzero()[:, 0]
        way = torch.zeros_like(z)
        if len(index):
            way[index] = -_solve_root(root[:, index], (pull + thresholds * sign)[index])
        share = _best_share(z, way, pull, root.T @ (root @ way), thresholds, free | ~active)
        if share > 0.0:
            before, z = z, z + share * way
            z[active & ~free & (z.abs() <= 1e-14 * (z - before).abs())] = 0.0
            pull = g + root.T @ (root @ (z - start))
            guessed, sign = sign, torch.where(z != 0, torch.sign(z), sign)
            active = free | (z != 0)
            if share < 1.0 or bool((sign != guessed)[~free].any()):  # the system was that of other signs
                continue
        excess = torch.where(active, torch.zeros_like(pull), pull.abs() - thresholds)
        most = int(excess.argmax())
        if excess[most] <= 1e-15 * scale:
            break
        active[most] = True
        sign[most] = -torch.sign(pull[most])
    return z


def _solve_root(root: Tensor, right: Tensor) -> Tensor:
    """(RᵀR)⁻¹·right by QR; what R does not determine is held back by the least that float64 can tell from 0."""
    size = torch.linalg.vector_norm(root, dim=0).clamp(min=torch.finfo(root.dtype).tiny)
    held = torch.eye(root.shape[1]).to(root) * (4 * torch.finfo(root.dtype).eps)
    factor = torch.linalg.qr(torch.vstack([root / size, held]), mode="r").R
    inner = torch.linalg.solve_triangular(factor.T, (right / size)[:, None], upper=False)
    return torch.linalg.solve_triangular(factor, inner, upper=True)[:, 0] / size


def _best_share(z: Tensor, way: Tensor, pull: Tensor, bent: Tensor, thresholds: Tensor, uncrossed: Tensor) -> float:
    """How far to go along a way: all of it, or to the crossing of zero where the objective is lowest; 0 if nothing is gained."""
    crossing = -z / way
    crossing = crossing[(crossing > 0) & (crossing < 1) & ~uncrossed]
    shares = torch.cat([crossing, torch.ones_like(z[:1])])
    # the slope along the way is taken before it is summed: gains far below the rounding of the objective count too
    sign = torch.where(z != 0, torch.sign(z), torch.sign(way))
    crossed = 2.0 * torch.nn.functional.relu(-sign * (z + shares[:, None] * way)) @ thresholds
    gain = shares * ((pull + thresholds * sign) @ way) + 0.5 * shares**2 * (bent @ way) + crossed
    best = int(gain.argmin())
    return float(shares[best]) if gain[best] < 0 else 0.0
