"""`fit()`: a problem in, a `Fit` out.

    data, test = prepare(…)                 any table → numeric columns          problem/tables.py
    plan = planning.plan(spec, data)        every "auto" decided                 planning.py
    for step in descend(…): …               the loop, recorded and watched       descent/loop.py
    Fit                                     θ in user units, the trace, and, when asked for, the exact answer

The exact answer is never looked at before the descent has ended.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.descent.loop import Step, descend
from steepest.descent.objective import ExtendedObjective, LinearObjective, ModuleObjective, evaluating, matched
from steepest.descent.rules import SGD, Momentum
from steepest.descent.stopping import Status, Stopper, interruptible
from steepest.descent.trace import Recorder, Trace
from steepest.errors import DataError, FitError, SpecError, SteepestWarning
from steepest.planning import Plan, extended_pays, innermost, linear_problem, plan, steady_rate, targets, wants_classes
from steepest.problem import losses
from steepest.problem.linear import LinearProblem, Terms
from steepest.problem.schema import Schema
from steepest.problem.tables import Dataset, prepare
from steepest.spec import Spec

if TYPE_CHECKING:
    from steepest.truth.exact import Exact

CLOSED = 1e-9
"""Relative gap at or below which a descent has arrived (smooth losses)."""

CLOSED_KINKED = 1e-5
"""The same for losses with a kink."""

GLANCE = 16
"""Steps between two looks at the recorded losses for signs of divergence."""

TEST_LOOKS = 200
"""How often at most the held-out loss is taken in one descent (where epochs are steps)."""

Progress = Callable[[Step, float], None]


@dataclass(frozen=True)
class Ending:
    """How a descent ended: the status, and what is to be said beyond its sentence."""

    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Scores:
    """What is known about a fit from its data. exact is None where no exact answer exists for its model and loss."""

    loss: float
    objective: float
    test_loss: float | None
    metrics: dict[str, dict[str, float]]
    exact: Exact | None
    exact_objective: float | None


@dataclass
class Fit:
    """A finished descent: parameters in user units, every recorded step, and how far it is from the best possible.

    theta: `[p]` float64, named by `names`. loss and test_loss: mean loss without penalty on the training and
    held-out rows. objective_value: with penalty. gap: F(θ) − F*. relative_gap: gap / max(F*, 1e-12·F(start)).
    """

    spec: Spec
    schema: Schema
    names: tuple[str, ...]
    theta: np.ndarray
    trace: Trace
    ending: Ending
    steps: int
    epochs: int
    seconds: float
    rows: int
    test_rows: int
    loss_function: losses.Loss
    optimizer: str
    precondition: str
    schedule: str
    lr: float
    engine: str = "loop"
    notes: tuple[str, ...] = ()
    terms: Terms | None = None
    module: nn.Module | None = None
    train: Dataset | None = field(default=None, repr=False)
    test: Dataset | None = field(default=None, repr=False)

    @property
    def params(self) -> dict[str, float]:
        """Name → value."""
        return dict(zip(self.names, self.theta.tolist(), strict=True))

    @cached_property
    def problem(self) -> LinearProblem | None:
        """The training problem of the linear family; None for modules, and where the data are gone (a loaded fit)."""
        if self.terms is None or self.train is None:
            return None
        return linear_problem(self.spec, self.train, self.terms, self.loss_function)

    @cached_property
    def scores(self) -> Scores:
        """Losses, metrics and the exact answer, computed when first asked for."""
        return _scores(self)

    @property
    def loss(self) -> float:
        """Mean loss on the training rows, without penalty."""
        return self.scores.loss

    @property
    def test_loss(self) -> float | None:
        """Mean loss on the held-out rows; None without any."""
        return self.scores.test_loss

    @property
    def objective_value(self) -> float:
        """F(θ): the training loss with penalty."""
        return self.scores.objective

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """`train` and, with held-out rows, `test`: r2, mae, rmse, or accuracy, error_rate, auc."""
        return self.scores.metrics

    @property
    def exact(self) -> Exact | None:
        """The best possible answer (`theta`, `loss`, `objective`, `method`, `certificate`); None where none is known."""
        found = self.scores.exact
        return None if found is None or (found.theta is None and not found.separable) else found

    @property
    def exact_note(self) -> str:
        """What should be known about the exact answer, or why there is none; "" if nothing."""
        found = self.scores.exact
        return "A module has no exact answer: its loss is not convex in θ." if found is None else found.note

    @property
    def gap(self) -> float | None:
        """F(θ) − F*; None where no exact answer exists. A difference within rounding is 0."""
        best = self.scores.exact_objective
        if best is None:
            return None
        gap = self.objective_value - best
        return 0.0 if abs(gap) <= 4 * np.finfo(float).eps * abs(best) else gap

    @property
    def relative_gap(self) -> float | None:
        """gap / max(F*, 1e-12·F(start))."""
        if self.gap is None or self.scores.exact_objective is None:
            return None
        start = float(self.trace.objective[0])
        return self.gap / max(self.scores.exact_objective, 1e-12 * start, np.finfo(float).tiny)

    @property
    def status(self) -> Status:
        """How the descent ended, judged by the gap: stopped is not arrived."""
        return self._judged.status

    @property
    def message(self) -> str:
        """The status as a sentence, with its numbers."""
        return f"{self._judged.status}" + (f" {self._judged.detail}" if self._judged.detail else "")

    @cached_property
    def _judged(self) -> Ending:
        return _judge(self)

    def predict(self, x: Any, theta: Any = None) -> np.ndarray:
        """Predictions for new rows: numbers, or class labels.

        Args:
            x: anything that `fit` takes as a table, or an array `[n, d]` (`[n]` for one column).
            theta: other parameters in the place of the fit's own, in the order of `names`.

        Returns:
            `[n]`, or `[n, m]` for several targets.
        """
        prediction = self.decision(x, theta)
        if self.schema.classes is None:
            return prediction
        codes = prediction.argmax(-1) if prediction.ndim == 2 else (prediction > 0).astype(int)
        return np.array(self.schema.classes, dtype=object)[codes]

    def predict_proba(self, x: Any, theta: Any = None) -> np.ndarray:
        """Class probabilities `[n, k]`, in the order of `schema.classes`. SpecError if the target is no classes."""
        if self.schema.classes is None:
            raise SpecError("predict_proba() is for classes; this fit predicts numbers, with predict().")
        return probabilities(self.decision(x, theta))

    def decision(self, x: Any, theta: Any = None) -> np.ndarray:
        """What the model itself gives: predictions, or log-odds `[n]` or `[n, k]` for classes."""
        values = self.theta if theta is None else np.asarray(theta, dtype=np.float64).ravel()
        if values.size != len(self.names):
            raise SpecError(
                f"theta= has {values.size} numbers; the fit has {len(self.names)}: {', '.join(self.names[:8])}."
            )
        if getattr(x, "ndim", 0) > 2:
            return self._predict_columns(np.asarray(x), values)
        return self._predict_columns(self.schema.encode(x), values)

    def _predict_columns(self, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        if self.terms is not None:
            design = self.terms.design(x)
            blocks = theta.reshape(-1, design.shape[1])
            return design @ blocks[0] if len(blocks) == 1 else design @ blocks.T
        if self.module is None:
            raise FitError("This fit has lost its model; load it with its module.")
        return _module_output(self.module, x, theta)

    def objective(self, theta: Any) -> tuple[float, np.ndarray]:
        """Loss (without penalty) and gradient of the objective `[p]`, over the training rows, at any θ in user units.

        The gradient holds the smooth part of the penalty.
        """
        values = np.asarray(theta, dtype=np.float64).ravel()
        if values.size != len(self.names):
            raise SpecError(
                f"theta has {values.size} numbers; the fit has {len(self.names)}: {', '.join(self.names[:8])}."
            )
        if self.train is None:
            raise FitError(
                "A loaded fit has its parameters but not its data, so it has no objective. Fit again to have one."
            )
        if self.problem is not None:
            whole: Any = LinearObjective(self.problem, self.names)
        else:
            import copy

            target, _ = targets(self.train, self.loss_function)
            module = copy.deepcopy(self.module).double()
            weights = None if self.train.weights is None else self.train.weights / self.train.weights.mean()
            whole = ModuleObjective(
                module,
                self.loss_function,
                torch.as_tensor(self.train.x, dtype=torch.float64),
                torch.as_tensor(target),
                None if weights is None else torch.as_tensor(weights),
                losses.penalty(self.spec.penalty),
            )
        loss, grad = whole.value_and_grad(torch.as_tensor(values))
        return float(loss), grad.numpy().copy()

    def summary(self) -> dict[str, Any]:
        """Everything worth knowing as one plain object: what `--json` prints and `summary.json` holds."""
        exact = self.exact
        theta = None if exact is None or exact.theta is None else exact.theta.tolist()
        return {
            "params": self.params,
            "loss": self.loss,
            "test_loss": self.test_loss,
            "metrics": self.metrics,
            "exact_loss": None if exact is None else exact.loss,
            "exact_params": None if theta is None else dict(zip(self.names, theta, strict=True)),
            "gap": self.gap,
            "relative_gap": self.relative_gap,
            "status": self.message,
            "steps": self.steps,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "rows": self.rows,
            "test_rows": self.test_rows,
            "objective": self.objective_value,
            "exact_objective": self.scores.exact_objective,
            "exact_method": None if exact is None else exact.method,
            "exact_certificate": None if exact is None else exact.certificate,
            "exact_seconds": None if exact is None else exact.seconds,
            "exact_note": self.exact_note,
            "model": str(self.spec.model) if isinstance(self.spec.model, str) else type(self.spec.model).__name__,
            "loss_function": str(self.loss_function),
            "optimizer": self.optimizer,
            "lr": self.lr,
            "schedule": self.schedule,
            "precondition": self.precondition,
            "engine": self.engine,
            "notes": list(self.notes),
        }

    def save(self, folder: Any) -> None:
        """Write the fit into a run's folder; see `steepest.store`."""
        from steepest import store

        store.save(self, folder)


def fit(
    x: Any = None,
    y: Any = None,
    *,
    target: str | Iterable[str] | None = None,
    columns: str | Iterable[str] | None = None,
    drop: str | Iterable[str] = (),
    model: Any = "linear",
    loss: Any = "auto",
    penalty: str | None = None,
    optimizer: Any = "auto",
    lr: float | str = "auto",
    schedule: Any = "auto",
    clip: float | None = None,
    batch_size: int | str = "full",
    shuffle: str = "rows",
    epochs: int | None = None,
    max_steps: int | None = None,
    tol: float | None = None,
    patience: int | None = None,
    validation: float | None = None,
    init: Any = "zeros",
    seed: int = 0,
    precondition: str = "auto",
    intercept: bool = True,
    weights: Any = None,
    class_weight: Any = None,
    missing: str = "error",
    test_fraction: float = 0.0,
    record: int = 10_000,
    dtype: str = "float64",
    device: str = "cpu",
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a model by gradient descent, and keep every step.

    With nothing but the data it is right to the last digits, whatever the units of the columns.

    Args:
        x, y: `[n, d]` or `[n]`, and `[n]` (or `[n, m]` targets); or x any table, and `target` a column of it.
        target, columns, drop: names of columns: what to predict, what to use (default: all others), what to leave out.
        model: `linear`, `poly:DEGREE`, `logistic`, `softmax`, `mlp:64,32`, an `nn.Module`, or `package.module:factory`.
        loss: `mse`, `l1`, `huber:D`, `quantile:Q`, `logistic`, `cross_entropy`, a callable on (prediction, target).
        penalty: `l1:A`, `l2:A`, `elastic:A,B`, in user units; intercepts are free.
        optimizer: `auto`, `sgd`, `momentum:0.9`, `nesterov:0.9`, `adagrad`, `rmsprop`, `adam`, `adamw`, a `torch.optim`
            class or a Rule.
        lr: learning rate; "auto" is safe at any batch size. A number is a rate in user units.
        schedule: `constant`, `inverse`, `step:N,F`, `cosine`, `warmup:N`, or a callable (step, epoch) → factor.
        clip: longest gradient let through.
        batch_size, shuffle: "full" or rows a batch; `rows`, `draws`, `blocks`, `none` (see `problem/batches.py`).
        epochs, max_steps: when to end at the latest.
        tol: end when the objective changes by no more than this share of it; 0: when it does not change at all.
        patience: how many such looks in a row (default 1), or epochs without a better validation loss (default 10).
        validation: share of the training rows held out to stop by.
        init: `zeros`, numbers in the order of `names`, `normal`, `uniform:LO:HI`, or a Fit.
        seed: of everything random; the same seed gives the same numbers.
        precondition: `none`, `standardize`, `orthonormal`: the coordinates of the descent. θ is always in user units.
        weights: a column's name or `[n]` numbers. class_weight: "balanced" or a dict label → factor.
        missing: "error", "drop" (rows) or "mean". test_fraction: share of rows held out and scored.
        record: most rows that the trace keeps. dtype: float64 or float32. device: `cpu` or `cuda`.
        batches: a re-iterable of (x, y), one iteration an epoch, in the place of ours (for modules).
        progress: called with every step and the objective last known.

    Returns:
        A `Fit`.

    Raises:
        DataError: the data are at fault. SpecError: the settings are.

    Example:
        >>> result = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
        >>> result.params
        {'intercept': 1.0, 'x': 2.0}
    """
    settings = {name: value for name, value in locals().items() if name in Spec.model_fields}
    row_weights = weights if not isinstance(weights, str) else None
    if row_weights is not None:
        settings["weights"] = None
    spec = Spec.read({name: tuple(value) if _is_names(name, value) else value for name, value in settings.items()})
    train, test, notes = _data(spec, x, y, weights)
    return run(spec, train, test, notes, batches, progress)


def _is_names(name: str, value: Any) -> bool:
    return name in ("target", "columns", "drop") and value is not None and not isinstance(value, str)


def _data(spec: Spec, x: Any, y: Any, weights: Any) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    if x is None:
        raise SpecError("fit() needs data: fit(x, y), or fit(table, target='column').")
    options = {
        "weights": weights,
        "class_weight": spec.class_weight,
        "classify": wants_classes(spec),
        "test_fraction": spec.test_fraction,
        "seed": spec.seed,
    }
    if getattr(x, "ndim", 0) > 2 and not isinstance(spec.model, str):
        # images and the like go to the module as they are; only their row numbers go through the table
        images = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
        numbers = np.arange(len(images), dtype=np.float64) + 0.5
        parts = prepare(numbers, y, **options)
        train, test = (
            None if p is None else replace(p, x=images[p.x[:, 0].astype(int)].astype(np.float64)) for p in parts
        )
    else:
        if y is None and spec.target is None and not (isinstance(x, str) and x.startswith("sample:")):
            raise SpecError("Which column is to be predicted? Name it: --target NAME (in Python: target='NAME').")
        train, test = prepare(
            x,
            y,
            target=list(spec.target) if isinstance(spec.target, tuple) else spec.target,
            columns=None if spec.columns is None else list(spec.columns),
            drop=list(spec.drop),
            missing=spec.missing,
            intercept=spec.intercept,
            **options,
        )
    if train is None:
        raise DataError("There are no rows to fit.")
    return train, test, train.notes


def run(
    spec: Spec,
    train: Dataset,
    test: Dataset | None = None,
    notes: tuple[str, ...] = (),
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Descend as `spec` says, on rows that are ready."""
    whole = train
    validation = None
    if spec.validation is not None:
        train, validation = _held_out(train, spec.validation, spec.seed)
    made = plan(spec, train, batches)
    watcher = _Watcher(spec, made, test, validation)
    began = time.perf_counter()
    ending, last = watcher.drain(_steps(made), progress)
    seconds = time.perf_counter() - began
    trace = watcher.recorder.trace(made.names, made.to_user)
    theta = last if made.to_user is None else made.to_user(last)
    if ending.status is Status.DIVERGED:
        theta = _last_finite(trace, theta)
        ending = replace(ending, detail=_why_diverged(spec, made, watcher, ending.detail))
    return Fit(
        spec=spec,
        schema=train.schema,
        names=made.names,
        theta=theta,
        trace=trace,
        ending=ending,
        steps=watcher.steps,
        epochs=watcher.epochs,
        seconds=seconds,
        rows=train.rows,
        test_rows=0 if test is None else test.rows,
        loss_function=made.loss,
        optimizer=made.optimizer,
        precondition=made.precondition,
        schedule=made.schedule_name,
        lr=made.lr,
        notes=tuple(notes)
        + (() if train is whole else (f"{whole.rows - train.rows:,} rows were held out to stop by.",)),
        terms=made.terms,
        module=made.module,
        train=train,
        test=test,
    )


def _steps(made: Plan) -> Iterator[Step]:
    return descend(made.objective, made.rule, iter(made.batches), lr=made.lr, schedule=made.schedule)


def _held_out(data: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    order = np.random.default_rng([seed, 1]).permutation(data.rows)
    count = max(1, round(fraction * data.rows))
    if count >= data.rows:
        raise DataError(f"validation={fraction} leaves no row of {data.rows} to fit.")
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


class _Watcher:
    """Consumes the steps: records them, and says when to stop and why."""

    def __init__(self, spec: Spec, made: Plan, test: Dataset | None, validation: Dataset | None):
        self.spec, self.plan = spec, made
        self.recorder = Recorder(len(made.objective.theta), made.objective.theta, spec.record)
        # without a tolerance of the user's, only a full batch that no longer changes at all ends a descent early
        idle = made.full_batch and spec.tol is None and not hasattr(made.rule, "arrived")
        scale = None if made.problem is None else _scale(made.problem)
        self.stopper = Stopper(0.0 if idle else spec.tol, 5 if idle else spec.patience, scale)
        self.test = None if test is None else _scorer(spec, made, test)
        self.validation = None if validation is None else _scorer(spec, made, validation)
        self.steps = self.epochs = 0
        looks = made.epochs or spec.max_steps or TEST_LOOKS
        self.every = max(1, looks // TEST_LOOKS)

    def drain(self, steps: Iterator[Step], progress: Progress | None) -> tuple[Ending, np.ndarray]:
        """Look at every step until one is the last; the ending and the last θ (in the descent's coordinates)."""
        ending, seen = None, 0
        known = float("nan")
        with interruptible() as interrupted:
            for step in steps:
                at_end = step.batch is None
                value = self._objective(step)
                test_loss = None
                if self.test is not None and value is not None and (at_end or step.epoch % self.every == 0):
                    test_loss = self.test(step.theta)
                if value is not None:
                    known = float(value)
                    ending = self._look(step, known)
                elif step.t - seen >= GLANCE:
                    seen = step.t
                    if self.stopper.out_of_bounds(float(step.loss)):
                        ending = Ending(Status.DIVERGED)
                if ending is None and interrupted():
                    ending = Ending(Status.INTERRUPTED, f"{step.t:,} steps are done.")
                stop = ending is not None or at_end
                if stop and value is None:
                    value = self._full(step.theta)
                if stop and self.test is not None and test_loss is None:
                    test_loss = self.test(step.theta)
                self.recorder.add(step, value, test_loss, last=stop)
                if progress is not None:
                    progress(step, known)
                if stop:
                    break
        self.steps, self.epochs = step.t, step.epoch
        if ending is None:
            limit = self.plan.epochs is not None and step.epoch >= self.plan.epochs
            ending = Ending(Status.EPOCHS if limit else Status.STEPS)
        return ending, step.theta.detach().to("cpu", torch.float64).numpy().copy()

    def _objective(self, step: Step) -> Tensor | float | None:
        """F(θ) where it is due: for free with a full batch, else at the start of each epoch and at the end."""
        if step.batch is None or (step.batch.rows is None and step.batch.data is None):
            return step.loss + self.plan.objective.penalty(step.theta)
        return self._full(step.theta) if step.batch.index == 0 else None

    def _full(self, theta: Tensor) -> Tensor | float:
        return self.plan.objective.value(theta) + self.plan.objective.penalty(theta)

    def _look(self, step: Step, value: float) -> Ending | None:
        found = self.stopper.look(value)
        if found is Status.DIVERGED:
            return Ending(found)
        if getattr(self.plan.rule, "arrived", False):
            return Ending(Status.CONVERGED)
        if self.validation is not None and step.t > 0:
            found = self.stopper.validate(float(self.validation(step.theta)), step.epoch)
            return None if found is None else Ending(found, f"It was best after epoch {self.stopper.best_epoch}.")
        if found is Status.TOLERANCE and self.stopper.tol == 0.0:
            return Ending(Status.STALLED)
        return None if found is None else Ending(found)


def _scale(problem: LinearProblem) -> float | None:
    """The mean loss of predicting nothing: what a loss is large or small against."""
    plain = LinearObjective(problem)
    scale = float(plain.value(plain.theta))
    return scale if np.isfinite(scale) else None


def _scorer(spec: Spec, made: Plan, rows: Dataset) -> Callable[[Tensor], Tensor]:
    """The mean loss on other rows, as a function of θ in the coordinates of the descent."""
    like = made.objective.theta
    if made.terms is not None:
        problem = linear_problem(replace_penalty(spec), rows, made.terms, made.loss)
        frame, origin = getattr(made.objective, "coordinates", None), None
        if frame is not None:
            frame = replace(frame, basis=problem.design @ frame.matrix)
            origin = made.objective.origin
        objective = LinearObjective(problem, made.names, frame, origin, like.dtype, str(like.device))
        return objective.value
    target, _ = targets(rows, made.loss)
    x, y = torch.as_tensor(rows.x).to(like), torch.as_tensor(target).to(like.device)
    y = y if y.dtype == torch.int64 else y.to(like.dtype)
    module = made.module

    weights = None if rows.weights is None else torch.as_tensor(rows.weights / rows.weights.mean()).to(like)

    def score(theta: Tensor) -> Tensor:
        with evaluating(module), torch.no_grad():
            each = made.loss.rows(matched(module(x), y, made.loss), y)
        return (each if weights is None else each * weights).mean()

    return score


def replace_penalty(spec: Spec) -> Spec:
    """The same description without a penalty: what scores held-out rows."""
    return spec.model_copy(update={"penalty": "none"})


def _last_finite(trace: Trace, theta: np.ndarray) -> np.ndarray:
    if np.isfinite(theta).all() or not trace.theta.shape[1]:
        return theta
    fine = np.isfinite(trace.theta).all(1)
    return trace.theta[fine][-1] if fine.any() else trace.theta[0]


def _why_diverged(spec: Spec, made: Plan, watcher: _Watcher, detail: str) -> str:
    """When it began, what is at fault, and a rate that would hold."""
    trace = watcher.recorder.trace(made.names)
    bad = ~np.isfinite(trace.loss) | (trace.loss > 10 * max(trace.objective[0], trace.loss[0]))
    began = int(trace.step[np.argmax(bad)]) if bad.any() else int(trace.step[-1])
    words = [f"The loss began to grow at step {began}."]
    safe = _rate_that_holds(spec, made, trace)
    if safe > 0.0:
        words.append(f"A rate that holds: --lr {safe:.2g} (in Python: lr={safe:.2g}).")
    if made.problem is not None and made.precondition == "none":
        squares = (made.problem.design**2).mean(0)
        worst = int(np.argmax(squares))
        if squares[worst] > 10 * np.median(squares):
            name = made.terms.names[worst] if made.terms is not None else str(worst)
            words.append(f"The column {name!r} has by far the largest values; --precondition standardize mends that.")
    return " ".join(words + ([detail] if detail else []))


def _rate_that_holds(spec: Spec, made: Plan, trace: Trace) -> float:
    """Where the curvature is known the rate of lr="auto"; else one at which the first step would at most win all of F."""
    if not trace.theta.shape[1]:
        return made.lr / 100.0
    start = torch.as_tensor(trace.theta[0]).to(made.objective.theta)
    inner = innermost(made.rule)
    size = None if made.full_batch else int(spec.batch_size)
    if made.problem is not None and isinstance(inner, (SGD, Momentum)):
        safe = steady_rate(made.objective, made.problem, start, size)
        return 0.9 * safe * (1.0 - inner.beta if isinstance(inner, Momentum) else 1.0)
    made.objective.theta.copy_(start)
    gradient = made.objective.value_and_grad(made.objective.theta)[1]
    length = float(gradient.square().sum() if isinstance(inner, (SGD, Momentum)) else gradient.abs().sum())
    return min(float(trace.objective[0]) / length, made.lr / 100.0) if length > 0.0 else made.lr / 100.0


def _module_output(module: nn.Module, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    import copy

    module = copy.deepcopy(module).eval()
    parameters = [p for p in module.parameters() if p.requires_grad]
    with torch.no_grad():
        like = parameters[0]
        torch.nn.utils.vector_to_parameters(torch.as_tensor(theta).to(like), parameters)
        output = module(torch.as_tensor(x).to(like)).cpu().double().numpy()
    return output[:, 0] if output.ndim == 2 and output.shape[1] == 1 else output


def probabilities(decision: np.ndarray) -> np.ndarray:
    """`[n, k]` from log-odds `[n]` (of the second of two classes) or `[n, k]`."""
    scores = torch.as_tensor(decision)
    if scores.ndim == 1:
        second = torch.sigmoid(scores)
        return torch.stack([torch.sigmoid(-scores), second], -1).numpy()
    return torch.softmax(scores, -1).numpy()


def _scores(fit: Fit) -> Scores:
    if fit.train is None:
        raise FitError("This fit has no data to be scored on.")
    problem = fit.problem
    exact, best = None, None
    if problem is not None:
        from steepest.truth import exact as truth

        exact = truth.solve(problem)
        objective = _objective_at(problem, fit.theta)
        if exact.theta is not None:
            best = _objective_at(problem, exact.theta)
        elif np.isfinite(exact.objective):
            best = exact.objective
        loss = _objective_at(replace(problem, penalty=losses.Penalty()), fit.theta)
    else:
        loss = objective = float(fit.trace.loss[-1])
        if fit.trace.objective[-1] == fit.trace.objective[-1]:
            objective = float(fit.trace.objective[-1])
    metrics = {"train": _metrics(fit, fit.train)}
    test_loss = None
    if fit.test is not None:
        metrics["test"] = _metrics(fit, fit.test)
        test_loss = _mean_loss(fit, fit.test)
    return Scores(loss, objective, test_loss, metrics, exact, best)


def _objective_at(problem: LinearProblem, theta: np.ndarray) -> float:
    plain = LinearObjective(problem, start=theta)
    whole = ExtendedObjective(plain) if extended_pays(problem) else plain
    return float(whole.value(plain.theta) + whole.penalty(plain.theta))


def _mean_loss(fit: Fit, rows: Dataset) -> float:
    target, _ = targets(rows, fit.loss_function)
    prediction = torch.as_tensor(fit._predict_columns(rows.x, fit.theta))
    each = fit.loss_function.rows(prediction, torch.as_tensor(target))
    weights = 1.0 if rows.weights is None else torch.as_tensor(rows.weights / rows.weights.mean())
    return float((each * weights).mean())


def _metrics(fit: Fit, rows: Dataset) -> dict[str, float]:
    """R², MAE and RMSE (averaged over targets), or accuracy, error rate and AUC (one class against the rest)."""
    prediction = fit._predict_columns(rows.x, fit.theta)
    if rows.classes is None:
        residual = rows.y - prediction
        spread = ((rows.y - rows.y.mean(0)) ** 2).sum(0)
        share = (residual**2).sum(0) / np.where(spread > 0, spread, np.nan)
        return {
            "r2": float(np.mean(1.0 - share)),
            "mae": float(np.abs(residual).mean()),
            "rmse": float(np.sqrt((residual**2).mean())),
        }
    codes = prediction.argmax(-1) if prediction.ndim == 2 else (prediction > 0).astype(int)
    accuracy = float((codes == rows.y).mean())
    found = {"accuracy": accuracy, "error_rate": 1.0 - accuracy}
    present = np.unique(rows.y)
    if len(present) == len(rows.classes):
        from sklearn.metrics import roc_auc_score

        shares = probabilities(prediction)
        score = shares[:, 1] if len(rows.classes) == 2 else shares
        if np.isfinite(score).all():
            found["auc"] = float(roc_auc_score(rows.y, score, multi_class="ovr"))
    return found


def _judge(fit: Fit) -> Ending:
    """Whether a descent that stopped has also arrived."""
    status, gap, exact = fit.ending.status, fit.relative_gap, fit.exact
    if status in (Status.DIVERGED, Status.INTERRUPTED):
        return fit.ending
    if exact is not None and exact.separable:
        return Ending(Status.SEPARABLE)
    if gap is None:
        if status is Status.STALLED:
            return Ending(
                Status.TOLERANCE,
                "It no longer changes at all; whether that is the optimum nobody can say: " + fit.exact_note,
            )
        return Ending(status, " ".join(part for part in (fit.ending.detail, fit.exact_note) if part))
    if fit.optimizer.startswith("adamw"):
        return Ending(status, "AdamW's decay minimises no objective; the gap is to the objective without it.")
    if abs(gap) <= (CLOSED_KINKED if fit.loss_function.bound is None else CLOSED):
        return Ending(Status.CONVERGED, f"The relative gap is {max(gap, 0.0):.1e}.")
    if status in (Status.CONVERGED, Status.STALLED):
        return Ending(Status.STALLED, _left_over(fit))
    remedy = {
        Status.EPOCHS: "Give more epochs (--epochs) or another learning rate (--lr).",
        Status.STEPS: "Give more steps (--max-steps) or another learning rate (--lr).",
        Status.TOLERANCE: "Stopped is not arrived: lower --tol to go on.",
    }.get(status, "")
    left = f"The optimum is not reached: the relative gap is {gap:.1e}."
    return Ending(status, " ".join(part for part in (fit.ending.detail, left, remedy) if part))


def _left_over(fit: Fit) -> str:
    """Which coefficient is furthest from its exact value, in units of its own size."""
    gap = f"The relative gap is {fit.relative_gap:.1e}"
    if fit.exact is None or fit.exact.theta is None:
        return gap + "."
    off = np.abs(fit.theta - fit.exact.theta)
    worst = int(np.argmax(off / np.maximum(np.abs(fit.exact.theta), np.finfo(float).tiny)))
    if fit.spec.dtype == "float32":
        return f"{gap}: float32 sees no further change; {off[worst]:.1g} left in {fit.names[worst]!r}; float64 would go on."
    return f"{gap}: {off[worst]:.1g} left in {fit.names[worst]!r}."


def warn(text: str) -> None:
    """A SteepestWarning at the caller's line."""
    warnings.warn(text, SteepestWarning, stacklevel=3)
