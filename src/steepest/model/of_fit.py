"""What a fit says of rows: the target as its loss takes it, its objective F and the loss of each row.

objective_of(fit)            F on the training rows, in user units, in float64
module_objective(fit, rows)  the same on any rows, of a copy of the fit's module or of another module
predictions(fit, x, theta)   numbers, or log-odds of classes, at any θ
row_losses(fit, rows, theta)
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.wording import listed, quoted
from steepest.errors import DataError, FitError, SpecError
from steepest.formulas.links import LOG
from steepest.lazy import Tensor, nn, torch
from steepest.model import coefficient_groups, double_double
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.penalties import Penalty, penalty
from steepest.model.prediction import outputs
from steepest.settings import Spec

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset
    from steepest.result import Fit

SMALLEST_POWER = -150.0
"""Decimal logarithm of a term's size from which on float64 holds its squares."""


def linear_problem(spec: Spec, data: Dataset, terms: Terms, loss: Loss) -> LinearProblem:
    """The linear family's problem on some rows."""
    design = terms.design(data.x)
    if terms.degree > 1 and not np.isfinite(design).all():
        column = terms.names[int(np.argwhere(~np.isfinite(design))[0, 1])]
        raise DataError(f"The term {column!r} overflows: its column is too large for this degree. Rescale the column.")
    if terms.degree > 1 and (small_term := _underflowing(terms, data.x)):
        raise DataError(
            f"The term {small_term!r} underflows: its column is too small for this degree. Rescale the column."
        )
    small = design.size <= double_double.SMALL_ENOUGH
    low = double_double.rounding_of_design(terms, terms.placed(data.x), design) if small else None
    target, outputs, offset = beside_offset(data, loss)
    if offset is not None and loss.coupled:
        raise SpecError(f"offset= and exposure= are for one prediction a row, and loss {loss} has one for each class.")
    return LinearProblem(
        design,
        target,
        loss,
        _penalty(spec, data, terms, loss, outputs),
        terms.intercept,
        data.relative_weights,
        outputs,
        low,
        terms.degree,
        offset,
    )


def _penalty(spec: Spec, data: Dataset, terms: Terms, loss: Loss, outputs: int) -> Penalty:
    """The penalty with the groups and bounds of each coefficient `[k·p]`, the same for each output."""
    found, names = penalty(spec.penalty), terms.names
    if found.group and outputs > 1 and not loss.coupled:
        raise SpecError(
            f"penalty={spec.penalty!r} is for one target, and there are {outputs}. Fit one target at a time."
        )
    if found.group:
        found = replace(found, groups=coefficient_groups.numbers(spec.penalty_groups, terms, data.schema) * outputs)
    if not spec.bounds:
        return found
    for name in spec.bounds:
        if name == "intercept" and name in names:
            raise SpecError("bounds: the intercept is free; with intercept=False the plane passes through 0.")
        if name not in names:
            known = listed([one for one in names if one != "intercept"])
            raise SpecError(f"bounds: there is no coefficient {quoted(name)}. There are {known}.")
    limits = tuple(spec.bounds.get(name, (-np.inf, np.inf)) for name in names)
    return replace(found, bounds=limits * outputs)


def _underflowing(terms: Terms, x: np.ndarray) -> str:
    """The first product of columns whose squares float64 cannot hold; "" if there is none."""
    sizes = np.abs(terms.placed(x)).max(0, initial=0.0)
    with np.errstate(divide="ignore"):
        powers = np.where(sizes > 0.0, np.log10(sizes), 0.0)
    for name, term in zip(terms.names, terms.powers, strict=True):
        if len(term) > 1 and powers[list(term)].sum() < SMALLEST_POWER:
            return name
    return ""


def beside_offset(data: Dataset, loss: Loss) -> tuple[np.ndarray, int, np.ndarray | None]:
    """The target and the outputs as of `targets`, and the offset, which is taken off the target where the loss looks at
    residuals: y − (f + offset) = (y − offset) − f."""
    target, outputs = targets(data, loss)
    if data.offset is not None and loss.of_residual:
        return (target.T - data.offset).T, outputs, None
    return target, outputs, data.offset


def targets(data: Dataset, loss: Loss) -> tuple[np.ndarray, int]:
    """The target as the loss wants it, and how many outputs the model needs."""
    count = len(data.classes) if data.classes is not None else 0
    if loss.coupled:
        return data.y.astype(np.int64), count
    if loss.binary:
        if count != 2:
            raise SpecError(
                f"loss={loss.name!r} tells two classes apart, and the target has {count}. Use model='softmax' "
                "(loss='cross_entropy')."
            )
        return data.y.astype(np.float64), 1
    if data.classes is not None and not loss.custom:
        raise DataError(
            f"The target {data.targets[0]!r} is classes ({', '.join(data.classes[:3])}, …), and loss {loss} needs numbers. "
            "Leave loss= out, or use loss='cross_entropy'."
        )
    if loss.takes == "binary" and data.classes is not None:
        if count != 2:
            raise SpecError(
                f"loss {loss} tells two classes apart, and the target has {count}. For more use loss='cross_entropy'."
            )
        return data.y.astype(np.float64), 1
    if data.classes is not None and loss.custom:
        return data.y.astype(np.int64), count
    several = data.y.ndim == 2
    if several and not (loss.several or loss.custom):
        raise SpecError(f"loss {loss} takes one target. Fit one target at a time.")
    check_targets(data, loss)
    return data.y.astype(np.float64, copy=False), data.y.shape[1] if several else 1


def check_targets(data: Dataset, loss: Loss) -> None:
    """Raise DataError for a target that a family cannot have."""
    family = loss.family
    if family is None:
        return
    wrong = (data.y <= family.low if family.open_low else data.y < family.low) | (data.y > family.high)
    if wrong.any():
        place = int(np.argwhere(wrong.reshape(len(data.y), -1).any(1))[0, 0])
        row = place if data.places is None else int(data.places[place])
        each = np.atleast_1d(data.y[place])
        output = int(np.argmax(wrong.reshape(len(data.y), -1)[place]))
        raise DataError(
            f"the target {data.targets[output]!r} is {each[output]:g} in row {row + 1:,} (counted from 1), and loss {loss} "
            f"is for {family.targets}. Correct the value, leave the row out, or take another loss=."
        )


def check_added(data: Dataset, loss: Loss, module: bool) -> None:
    """Raise SpecError for an offset or an exposure beside a model or a loss that knows none."""
    if not data.schema.added:
        return
    if module:
        raise SpecError(
            "offset= and exposure= are for models that are linear in their coefficients, and this is a module."
        )
    link = "" if loss.choice is None else loss.choice.link
    under = f"{loss} with link {link}" if link else str(loss)
    if "exposure" in data.schema.added and (loss.family is None or loss.family.text != LOG.words):
        raise SpecError(
            f"exposure= is for losses whose prediction is the logarithm of a mean, as poisson, and not for {under}. "
            "Take offset=, which is added as it is."
        )


def check_groups(spec: Spec, module: bool) -> None:
    """Raise SpecError for a group penalty beside what it cannot be had with, and for groups without it."""
    if not penalty(spec.penalty).group:
        if spec.penalty_groups:
            raise SpecError(f"penalty_groups= is for penalty='group:A', and this fit has penalty={spec.penalty!r}.")
        return
    if module:
        raise SpecError(
            f"penalty={spec.penalty!r} is for coefficients of models that are linear in them, and this is a module. "
            "Use penalty='l1:0.01'."
        )
    if spec.bounds:
        raise SpecError(f"penalty={spec.penalty!r} goes with no bounds=; other penalties do: penalty='l1:0.01'.")


def tensors(
    rows: Dataset, loss: Loss, dtype: torch.dtype | None = None, device: Any = "cpu"
) -> tuple[Tensor, Tensor, Tensor | None]:
    """x, y and weights (of mean 1, or None) of some rows as a module's objective takes them; class codes stay int64.

    dtype: None for float64.
    """
    dtype = torch.float64 if dtype is None else dtype
    y = torch.tensor(targets(rows, loss)[0])
    y = y.to(device, torch.int64 if y.dtype == torch.int64 else dtype)
    x = torch.as_tensor(rows.x, dtype=dtype, device=device)
    weights = rows.relative_weights
    return x, y, None if weights is None else torch.as_tensor(weights, dtype=dtype, device=device)


def module_of(fit: Fit) -> nn.Module:
    """The fit's module, at any θ.

    Raises:
        FitError: a fit that was loaded without it.
    """
    if fit.network is None:
        raise FitError("Pass the model: st.load(folder, model=MyNet).")
    return fit.network


def objective_of(fit: Fit) -> LinearObjective | ModuleObjective:
    """The objective of a fit on its training rows in user units, penalty included, in float64 on the CPU.

    Raises:
        FitError: a loaded fit that has no rows, or was loaded without its module.
    """
    if fit.train is None:
        raise FitError(
            "A loaded fit has its parameters but not its data, so it has no objective. Fit again to have one."
        )
    if fit.problem is not None:
        return LinearObjective(fit.problem)
    whole = module_objective(fit, fit.train)
    whole.balance = None  # the gradient of F itself, and not what a descent takes for it
    return whole


def module_objective(
    fit: Fit, rows: Dataset, loss: Loss | None = None, module: nn.Module | None = None, theta: np.ndarray | None = None
) -> ModuleObjective:
    """The objective of a fit's module on some rows, at its θ, in float64 on the CPU, the fit's own left as it is.

    Args:
        loss: another loss than the fit's.
        module: another one in the place of the fit's, in its own precision and on its own device; it is not copied.
        theta: where the objective is to stand, `[p]`; None: as the module is.
    """
    loss = fit.loss_function if loss is None else loss
    module = copy.deepcopy(module_of(fit)).cpu().double() if module is None else module
    like = next(parameter for parameter in module.parameters() if parameter.requires_grad)
    x, y, weights = tensors(rows, loss, like.dtype, like.device)
    found = ModuleObjective(module, loss, x, y, weights, penalty(fit.spec.penalty), fit.spec.seed)
    if theta is not None:
        found.theta.copy_(torch.as_tensor(theta).to(found.theta))
    return found


def row_losses(fit: Fit, rows: Dataset, theta: np.ndarray) -> np.ndarray:
    """The loss of each row `[n]`, times its weight."""
    prediction, target, weights = _compared(fit, rows, theta)
    each = fit.loss_function.rows(prediction, target)
    return np.asarray(each if weights is None else each * weights)


def mean_loss(fit: Fit, rows: Dataset, theta: np.ndarray) -> float:
    """The mean loss of some rows, without penalty."""
    return float(fit.loss_function.mean(*_compared(fit, rows, theta)))


def _compared(fit: Fit, rows: Dataset, theta: np.ndarray) -> tuple[Any, Any, Any]:
    """Predictions, targets and weights of mean 1 (or None) as the loss takes them: a function of the user's own takes tensors."""
    prediction = outputs(fit, rows.x, theta, rows.offset)
    if fit.loss_function.custom:
        return torch.as_tensor(prediction), *tensors(rows, fit.loss_function)[1:]
    return prediction, targets(rows, fit.loss_function)[0], rows.relative_weights
