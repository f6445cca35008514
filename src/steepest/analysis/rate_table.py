"""What the curvature of a fitted objective allows: for each coordinates and rule how large a rate, and how many steps.

The eigenvalues of the Hessian say all of it (`convergence.py`). Their ratio, the condition number, is what other coordinates
change: the same descent takes a million steps in one and ten in another.

The rate with the fastest contraction is best in the end; where steps are few another one may be sooner, so that several
are tried by the theory. For `mse` (also with `l2`) the eigenvalues are the same everywhere and all of it is exact. Other
smooth losses curve less at the optimum than elsewhere: their rates are held to what holds everywhere, and their steps are an
estimate. For rules that scale each coordinate by itself there is no such theory, but for Adam near where it stands
(`adam_stability.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.analysis import adam_stability, convergence, spectrum, stable_rate
from steepest.analysis import curvature as curved
from steepest.analysis.adam_stability import full_batch
from steepest.analysis.convergence import Quadratic, quadratic_at
from steepest.analysis.finding import Fitted
from steepest.analysis.fit_settings import PRECONDITIONERS, coordinates_of, innermost_rule, start_of
from steepest.analysis.noise import Floor, RowNoise
from steepest.descent import torch_rules
from steepest.errors import FitError, SpecError
from steepest.formulas.rules import FORMULAS
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty
from steepest.model.preconditioners import Coordinates
from steepest.text import curvature as curvature_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document
from steepest.text.numbers import rounded_down

if TYPE_CHECKING:
    from steepest.result import Fit

CLOSE = 1e-6  # the relative gap to which steps are counted
RULES = {
    str(rule): rule
    for rule in (torch_rules.rule(name) for name, kind in FORMULAS.items() if kind.linear and not kind.keeps)
}
"""The rules that have a theory."""

SHARES = (1.0, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25)
"""Rates that are tried, as shares of the one with the fastest contraction: steps are few in number, not for ever."""

FEW = 200  # directions up to which all of them are tried: each takes a tenth of a second where there are 600
SWINGS = 600
"""Steps in which the swings of momentum 0.9 die away: a gap falls at least as 0.9 to the power of the steps."""


@dataclass(frozen=True)
class Pace:
    """How fast a rule goes in some coordinates.

    coordinates and rule: which. condition: the condition number there. largest: the rate at which it stops to hold.
    fastest: the one that contracts fastest in the end. contraction: how much of the distance a step leaves at that rate.
    best: the rate at which the relative gap is below 1e-6 soonest from the fit's start. steps: after which it stays there,
    as `st.diagnose` has them; nan where they are not known, inf where it never gets there.
    """

    coordinates: str
    condition: float
    rule: str
    largest: float
    fastest: float
    contraction: float
    best: float
    steps: float


@dataclass(frozen=True)
class OwnPace:
    """A fit's own rule and rate. largest: nan where none is known. ratio: lr/largest. steps: as in `Pace`, at lr.

    floor: the gap at which its minibatches come to rest at that rate, and what halves it; None where it is not known.
    """

    coordinates: str
    rule: str
    lr: float
    largest: float
    ratio: float
    contraction: float
    steps: float
    floor: Floor | None = None


@dataclass(frozen=True)
class Curvature(Displayed):
    """The curvature of a fit's objective at θ, and what it allows; `print()` shows it as a table.

    theta: `[k·p]`, where it was taken, in user units. where: that in words. loss: the loss's name. largest, smallest:
    eigenvalues of the Hessian in user units, the smallest of those that are not 0. flat: how many are. along: the parameter
    with the most weight in the steepest direction. conditions: coordinates → largest/smallest in them. local: whether the
    Hessian is another elsewhere, so that all of it holds near θ only. paces: how fast each rule goes in each coordinates.
    own: the fit's own rule and rate; None where there is no theory of it. notes: what else should be known, in sentences.
    """

    loss: str
    theta: np.ndarray
    where: str
    local: bool
    largest: float
    smallest: float
    flat: int
    along: str
    conditions: dict[str, float]
    paces: tuple[Pace, ...]
    own: OwnPace | None
    notes: tuple[str, ...] = ()

    @property
    def condition(self) -> float:
        """The condition number in user units."""
        return self.conditions["none"]

    def to_dict(self) -> dict[str, Any]:
        """As a plain object.

        Example:
            >>> from steepest.fitting import fit
            >>> round(curvature(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])).to_dict()["largest"], 6)
            4.774852
        """
        own = None if self.own is None else asdict(self.own)
        found = {**vars(self), "theta": self.theta.tolist(), "own": own, "notes": list(self.notes)}
        return found | {"conditions": dict(self.conditions), "paces": [vars(pace) for pace in self.paces]}

    def _document(self, width: float) -> Document:
        return curvature_text.document(self)


def curvature(fit: Fit, theta: Any = None) -> Curvature:
    """Eigenvalues, condition numbers, largest and best rates and predicted steps of a fit of the linear family.

    Args:
        theta: where, `[k·p]` in user units; None is the optimum where it is known, else where the descent ended. Steps
            are always counted to the optimum.

    Raises:
        SpecError: a module (see `fit.sharpness()`), a loss with a kink, or a wrong number of parameters.
        FitError: a loaded fit, which has no data.

    >>> from steepest.fitting import fit
    >>> found = curvature(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]))
    >>> round(found.condition, 2), [round(value, 6) for value in found.conditions.values()][1:]
    (14.13, [1.0, 1.0])
    """
    fit, theta = fit.inner, fit.inner_theta(theta)
    problem = _problem(fit)
    best = None if fit.exact is None else fit.exact.theta
    start = start_of(fit)
    place = np.asarray(fit.theta if best is None else best, dtype=np.float64)
    where = "where the descent ended" if best is None else "at the optimum"
    if theta is not None:
        place, where = np.asarray(theta, dtype=np.float64).ravel(), "at the θ given"
        if place.size != problem.parameters:
            raise SpecError(f"theta has {place.size} numbers; the fit has {problem.parameters} parameters.")
    smooth = replace(problem, penalty=Penalty(l2=problem.penalty.l2))
    names = PRECONDITIONERS[:-1] if problem.penalty.kinked else PRECONDITIONERS
    frames = {name: coordinates_of(name, problem) for name in names}
    local = not problem.loss.quadratic
    arrives = best is not None and not problem.penalty.kinked
    first, least = float(fit.trace.objective[0]), float("nan") if fit.exact is None else fit.exact.objective
    target, whole = CLOSE * max(least, 1e-12 * first, np.finfo(float).tiny), first - least
    here = {name: quadratic_at(smooth, frame, start, place) for name, frame in frames.items()}
    to_optimum = here
    if best is not None and arrives and not np.array_equal(place, best):
        to_optimum = {name: quadratic_at(smooth, frame, start, best) for name, frame in frames.items()}
    centred = fit.terms is not None and bool(fit.terms.centre)
    paces = []
    for name, quadratic in here.items():
        if centred and name != "orthonormal":
            continue  # a rate would be taken in user units
        for label, rule in RULES.items():
            fastest = stable_rate.best_rate(quadratic.values, rule)
            soonest = arrival(smooth, frames[name], to_optimum[name], rule, whole, target) if arrives else None
            best, steps = (fastest, float("nan")) if soonest is None else (soonest.lr, soonest.steps)
            paces.append(
                Pace(
                    name, quadratic.condition, label, stable_rate.largest_rate(quadratic.values, rule), fastest,
                    stable_rate.contraction(quadratic.values, rule, fastest), best, steps,
                )
            )  # fmt: skip
    user = here["none"]
    steep = user.values[user.values > 0.0]
    _, vectors = curved.leading_eigenvalues(smooth, place, 1)
    notes = _notes(problem, len(user.values) - len(steep), arrives, user)
    if centred:
        notes.append(
            "Eigenvalues are those in the powers of centred columns. In other coordinates than orthonormal a descent moves "
            "in user units, where float64 leaves the curvature of these powers no digits: no rate is known there."
        )
    own, more = _own(fit, smooth, frames, here, to_optimum, target if arrives else None)
    return Curvature(
        str(problem.loss), place, where, local, float(steep.max(initial=0.0)), float(steep[-1]) if steep.size else 0.0,
        len(user.values) - len(steep), fit.names[int(np.abs(vectors[:, 0]).argmax())],
        {name: quadratic.condition for name, quadratic in here.items()}, tuple(paces), own, (*notes, *more),
    )  # fmt: skip


def _problem(fit: Fitted) -> LinearProblem:
    if fit.train is None:
        raise FitError("A loaded fit has its parameters but not its data, so its curvature is not known. Fit again.")
    if fit.problem is None:
        raise SpecError("A module has no closed form for its curvature; fit.sharpness() measures it.")
    if fit.loss_function.custom:
        raise SpecError("A loss of your own has no closed form for its curvature; fit.sharpness() measures it.")
    if fit.loss_function.kinked:
        raise SpecError(
            f"loss {fit.loss_function} has a kink and so no curvature: no constant rate brings a descent to its optimum. "
            "A falling one does (schedule='cosine' or 'inverse')."
        )
    return fit.problem


def _notes(problem: LinearProblem, flat: int, arrives: bool, user: Quadratic) -> list[str]:
    notes = []
    if flat and problem.loss.coupled:
        notes.append(
            f"{flat} of {problem.parameters} directions are flat (adding the same to all classes changes nothing); "
            "condition numbers leave them out."
        )
    elif flat:
        notes.append(
            f"{flat} of {problem.parameters} directions are flat beside the steepest: the data leave them undetermined, or "
            "the columns' scales lie too far apart for float64. Condition numbers leave them out."
        )
    if problem.penalty.bounds is not None:
        notes.append("Bounds are left out: rates hold for the projected steps, steps are not known.")
    elif problem.penalty.soft:
        notes.append(
            f"{problem.penalty.article.capitalize()} penalty has a kink and is left out: rates hold for the proximal steps, "
            "steps are not known."
        )
    elif not arrives:
        notes.append("No finite optimum is known, so steps to it are not predicted.")
    if len(user.values) < problem.parameters:
        notes.append(
            f"{problem.parameters:,} parameters: the smallest eigenvalue is the smallest that {spectrum.LANCZOS} steps of "
            "Lanczos from the start can see."
        )
    return notes


def _own(
    fit: Fitted, problem: LinearProblem, frames: dict[str, Coordinates | None], here: dict[str, Quadratic],
    to_optimum: dict[str, Quadratic], target: float | None,
) -> tuple[OwnPace | None, list[str]]:  # fmt: skip
    rule, name = innermost_rule(fit), fit.precondition
    label = fit.optimizer
    if rule is None or name not in frames:
        return None, [f"This fit's own descent, {label}, has no rate of this kind."]
    lr, notes = float(fit.lr), []
    largest = stable_rate.largest_rate(here[name].values, rule)
    steps = float("nan")
    if target is not None and str(fit.schedule) == "constant" and fit.spec.clip is None and full_batch(fit):
        steps = convergence.steps_to(to_optimum[name], rule, lr, target)
    if rule.kind is FORMULAS["adam"]:
        largest = adam_stability.adam_limit(fit, problem, frames[name], rule)
        notes.append(
            "Adam's limit is that of its scale at the end of this descent. The scale shrinks with the gradients and the limit "
            "with it, so that at a constant rate Adam comes to bounce about its optimum."
        )
    elif np.isnan(largest):
        notes.append(f"No largest rate is known for {label}.")
    if not full_batch(fit):
        notes.append("The largest rates are those of the full batch; minibatches need smaller ones.")
    return OwnPace(
        name, label, lr, largest, lr / largest, stable_rate.contraction(here[name].values, rule, lr), steps,
        _floor(fit, problem, frames[name], rule),
    ), notes  # fmt: skip


def _floor(fit: Fitted, problem: LinearProblem, frame: Coordinates | None, rule: Any) -> Floor | None:
    """Where minibatches rest at a constant rate; of a falling one nothing stays."""
    best = None if fit.exact is None else fit.exact.theta
    constant = str(fit.schedule) == "constant" and fit.spec.clip is None
    size = fit.spec.rows_of_step
    if best is None or not constant or size is None or fit.problem is None or fit.problem.penalty.kinked:
        return None
    return RowNoise(problem, frame, best).floor_and_halves(rule, float(fit.lr), size, fit.spec.shuffle)


# ---- the soonest arrival ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """largest: the rate from which on it diverges. lr: the rate to take. steps: after which the gap stays closed; inf if
    never. condition: λ_max/λ_min at the optimum, inf where the way there is too flat for float64."""

    largest: float
    lr: float
    steps: float
    condition: float


def arrival(
    problem: LinearProblem, frame: Coordinates | None, quadratic: Quadratic, rule: Any, whole: float, gap: float
) -> Arrival | None:
    """The soonest arrival of sgd or momentum on a smooth problem; None where nothing is curved.

    Args:
        quadratic: from the start to the optimum, in the coordinates of `frame`.
        whole, gap: F − F* at the start, and the gap to which steps are counted.
    """
    largest, fastest = stable_rate.largest_rate(quadratic.values, rule), stable_rate.best_rate(quadratic.values, rule)
    if not isfinite(fastest):
        return None
    exact = problem.loss.quadratic
    if not exact:
        steep = curved.smoothness(problem, frame=frame)
        if problem.loss.bound is None:
            steep = curved.local_smoothness(problem, np.zeros(problem.parameters), frame=frame)
        largest = stable_rate.largest_rate(np.array([steep]), rule)
        # beyond the optimum it may be as steep as the bound, where only half of the limit is safe for momentum
        fastest = min(fastest, largest * (0.5 if rule.momentum else 0.95))
    shares = SHARES if len(quadratic.values) <= FEW else SHARES[::3]
    rates = [rounded_down(share * fastest, 4) for share in shares]
    place, fewest = _soonest(quadratic, rule, rates, gap)
    condition = quadratic.condition
    if exact and whole - quadratic.gaps.sum() > max(gap, 1e-9 * whole):
        fewest = condition = float("inf")  # the rest lies along directions too flat for float64
    return Arrival(largest, rates[place], fewest, condition)


def _soonest(quadratic: Quadratic, rule: Any, rates: list[float], gap: float) -> tuple[int, float]:
    """Which of the rates has the gap stay below `gap` first, and the steps it takes."""
    firsts = [convergence.steps_to(quadratic, rule, rate, gap) for rate in rates]
    fewest, place = float("inf"), 0
    for i in np.argsort(firsts, kind="stable").tolist():
        if firsts[i] > fewest:  # it stays there no sooner than it comes there
            break
        fewest, place = min((fewest, place), (_settled(quadratic, rule, rates[i], gap, firsts[i]), i))
    return place, fewest


def _settled(quadratic: Quadratic, rule: Any, rate: float, gap: float, first: float) -> float:
    """Steps after which the gap stays below `gap`, where it first is: momentum swings through the optimum, and back."""
    if not rule.momentum or not isfinite(first):
        return first
    above = np.flatnonzero(convergence.gaps_after(quadratic, rule, rate, first + np.arange(SWINGS)) > gap)
    return first if not above.size else float("inf") if above[-1] == SWINGS - 1 else first + float(above[-1]) + 1.0
