"""What a tall objective has measured so far, as numbers and arrays, and back: for a descent that is interrupted."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.checkpoints.tree import Unlike, like
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.tall_curvature import Curvature, Proof
from steepest.model.tall_objective import Pass, TallObjective


def state_of(objective: TallObjective | ExtendedSquares) -> dict[str, Any]:
    """The last pass, the Hessian in use, and that which proves the gap; what is found again at any θ is not among them."""
    if isinstance(objective, ExtendedSquares):
        return {}
    model, proof = objective.model, objective.proof
    return {
        "seen": None if objective.seen is None else vars(objective.seen),
        "model": None if model is None else model.state(),
        "proof": None if proof is None else vars(proof) | {"curvature": proof.curvature.state()},
    }


def take_up(objective: TallObjective | ExtendedSquares, state: Any) -> None:
    """Go on from what another one of the same rows has measured. Unlike where that is something else."""
    if isinstance(objective, ExtendedSquares):
        like({}, state, "objective")
        return
    given = like({"seen": None, "model": None, "proof": None}, state, "objective")
    theta, rows = objective.theta, objective.rows
    size = objective.size * (objective.outputs if objective.loss.coupled else 1)
    objective.seen = objective.model = objective.proof = None
    if given["seen"] is not None:
        grad = np.zeros((objective.outputs, objective.size))
        template = {"theta": theta, "loss": 0.0, "grad": grad, "prediction": np.zeros(objective.shape)}
        objective.seen = Pass(**like(template, given["seen"], "objective.seen"))
    if given["model"] is not None:
        objective.model = Curvature.of_state(given["model"], size, len(theta))
    if given["proof"] is not None:
        objective.proof = _proof(given["proof"], size, len(theta), rows)


def _proof(state: Any, size: int, width: int, rows: int) -> Proof:
    template = {
        "curvature": None,
        "rows": None,
        "share": 1.0,
        "leverage": 0.0,
        "prediction": None,
        "index": None,
        "largest": 0.0,
    }
    kept = like(template, state, "proof")
    for name, most in (("rows", rows), ("index", width)):
        numbers_of(kept[name], most, f"proof.{name}")
    some = rows if kept["rows"] is None else len(kept["rows"])
    if kept["prediction"] is not None and len(kept["prediction"]) != some:
        raise Unlike("proof.prediction is of other rows")
    size = size if kept["index"] is None else len(kept["index"])
    return Proof(**kept | {"curvature": Curvature.of_state(kept["curvature"], size, width)})


def numbers_of(given: Any, most: int, where: str) -> None:
    """Unlike unless it is None, or numbers from 0 to just below `most`."""
    if given is None:
        return
    whole = isinstance(given, np.ndarray) and given.dtype == np.int64 and given.ndim == 1
    if not whole or (len(given) and not (given.min() >= 0 and given.max() < most)):
        raise Unlike(f"{where} are no numbers below {most}")
