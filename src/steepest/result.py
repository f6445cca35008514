"""`Fit`: a finished descent, scored on its data and judged by its gap to the best possible answer.

The scores and the exact answer are found when they are first asked for, after the descent has ended.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from steepest.analysis.exact.solve import Exact
from steepest.data.loaders import is_source, read
from steepest.data.reading import Reading
from steepest.data.schema import Schema
from steepest.data.tables import Dataset
from steepest.defaults import linear_problem, targets
from steepest.descent.stopping import CLOSED, CLOSED_KINKED, Status
from steepest.descent.trace import Trace
from steepest.errors import FitError, SpecError
from steepest.lazy import imported
from steepest.model import centring, double_double, losses
from steepest.model.linear import LinearProblem, Terms, row_blocks
from steepest.model.objective import ExtendedObjective, LinearObjective, ModuleObjective
from steepest.monitor import Ending
from steepest.scoring import metrics, probabilities
from steepest.settings import Spec

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from steepest.analysis.finding import Findings
    from steepest.analysis.rate_table import Curvature
    from steepest.analysis.sharpness import Sharpness
    from steepest.plots.film.encode import Movie
    from steepest.plots.theme import Figure


LOOKED_AT = (
    "Looked at: the rate and its schedule, the steps and what ended them, the scales and the dependence of the columns, "
    "and whether the model suits the rows."
)

NO_COEFFICIENTS = (
    "There is no exact answer to compare with: the columns are so nearly collinear that rounding its coefficients to "
    "float64 already moves the loss by more than the loss itself. Use a lower degree or fewer columns."
)


@dataclass(frozen=True)
class Scores:
    """What is known about a fit from its data. exact is None where no exact answer exists for its model and loss.

    rounding: how much F* changes where the exact coefficients are rounded to float64.
    """

    loss: float
    objective: float
    test_loss: float | None
    metrics: dict[str, dict[str, Any]]
    exact: Exact | None
    exact_objective: float | None
    rounding: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The exact answer of a problem, F* at it (None if there is no number to compare with), and how much rounding moves F*.

    It belongs to the problem and not to a descent: fits of the same problem share it.
    """

    exact: Exact | None
    objective: float | None
    rounding: float

    def beside(self, objective: float, start: float) -> Answer:
        """What is left of it beside a descent from F = start to objective: nothing where rounding is larger than those."""
        if self.exact is None or self.exact.theta is None or self.objective is None:
            return self
        if self.rounding > max(self.objective, objective, 1e-9 * start) or self.objective > start * (1 + 1e-6):
            return Answer(replace(self.exact, theta=None, loss=float("nan"), note=NO_COEFFICIENTS), None, 0.0)
        return self

    def gap(self, objective: float) -> float | None:
        """F − F*; a difference within rounding is 0."""
        if self.objective is None:
            return None
        gap = objective - self.objective
        return 0.0 if abs(gap) <= 4 * sys.float_info.epsilon * abs(self.objective) + self.rounding else gap

    def relative_gap(self, objective: float, start: float) -> float | None:
        """gap / max(F*, 1e-12·F(start))."""
        gap = self.gap(objective)
        if gap is None or self.objective is None:
            return None
        return gap / max(self.objective, 1e-12 * start, sys.float_info.min)


def answer(problem: LinearProblem | None) -> Answer:
    """The best possible answer of a problem; of None, a module's, none."""
    if problem is None:
        return Answer(None, None, 0.0)
    imported("steepest.analysis.exact.solve")  # and SciPy's solvers with it
    from steepest.analysis.exact import solve as truth

    try:
        exact = truth.solve(problem)
    except FitError as error:
        nothing = float("nan")
        return Answer(truth.Exact(None, nothing, "", nothing, f"There is no exact answer: {error}"), None, 0.0)
    if exact.theta is not None:
        return Answer(exact, _objective_at(problem, exact.theta), _rounding(problem, exact.theta))
    return Answer(exact, exact.objective if np.isfinite(exact.objective) else None, 0.0)


def answer_in(spec: Spec, data: Dataset, terms: Terms, loss: losses.Loss, problem: LinearProblem | None) -> Answer:
    """The best possible answer of a problem in user units, found with powers of centred columns where these are needed."""
    own = terms if losses.penalty(spec.penalty) else centring.centred(terms, data.x)
    if own == terms:
        return answer(problem)
    found = answer(linear_problem(spec, data, own, loss))
    return replace(found, exact=_exact_to_user(found.exact, own))


@dataclass(repr=False)
class Fit:
    """A finished descent: parameters in user units, every recorded step, and how far it is from the best possible.

    theta: `[p]` float64, named by `names`. loss and test_loss: mean loss without penalty on the training and
    held-out rows. objective_value: with penalty. gap: F(θ) − F*. relative_gap: gap / max(F*, 1e-12·F(start)).
    """

    spec: Spec
    schema: Schema
    names: list[str]
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
    network: nn.Module | None = None
    """The module as it was fitted, in the precision of the fit; None for the linear family."""
    kind: tuple[torch.dtype, torch.device] | None = None
    """Precision and device of the module as the user gave it; None where that is as the fit's."""
    train: Dataset | None = field(default=None, repr=False)
    test: Dataset | None = field(default=None, repr=False)
    centred: Fit | None = field(default=None, repr=False)
    """The same fit with powers of centred columns, which it was computed with; None where it was in user units."""
    source: str | None = None
    """The path or `sample:NAME` that the rows came from; None for rows from memory."""
    swept: bool = False
    """A run of a sweep, of thousands of which nobody asks for findings: its message says what its own numbers tell."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.6g}" for name, value in list(self.params.items())[:6])
        more = f", … {len(self.names) - 6} more" if len(self.names) > 6 else ""
        # whether it arrived takes the exact answer, which is not computed just to be shown
        wrong = self.ending.status in (Status.DIVERGED, Status.INTERRUPTED)
        return f"Fit({shown}{more}; {self.steps:,} steps{f', {self.ending.status.name.lower()}' if wrong else ''})"

    @property
    def params(self) -> dict[str, float]:
        """Name → value."""
        return dict(zip(self.names, self.theta.tolist(), strict=True))

    @property
    def model_name(self) -> str:
        """The model in a word."""
        return str(self.spec.model) if isinstance(self.spec.model, str) else type(self.spec.model).__name__

    @property
    def inner(self) -> Fit:
        """The fit in the coefficients that it was computed with: what is scored and drawn."""
        return self.centred or self

    @cached_property
    def module(self) -> nn.Module | None:
        """The fitted module, a copy in evaluation mode, in the precision and on the device of the one given.

        It takes x in the units of the table: `fit.module(x)` is what `predict(x)` is made of. The module given to `fit()`
        stays as it was. None for the linear family, and for a run loaded without its module.
        """
        if self.network is None:
            return None
        module = copy.deepcopy(self.network).eval()
        parameters = [p for p in module.parameters() if p.requires_grad]
        values = torch.as_tensor(self.theta).to(parameters[0])
        with torch.no_grad():
            for parameter, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
                parameter.data, parameter.grad = part.view(parameter.shape).clone(), None
        return module if self.kind is None else module.to(dtype=self.kind[0], device=self.kind[1])

    @cached_property
    def problem(self) -> LinearProblem | None:
        """The training problem of the linear family; None for modules, and where the data are gone (a loaded fit)."""
        if self.terms is None or self.train is None:
            return None
        return linear_problem(self.spec, self.train, self.terms, self.loss_function)

    @cached_property
    def answer(self) -> Answer:
        """The exact answer of the fit's problem, as `exact` without regard to where the descent went."""
        if self.centred is not None:
            return self.centred.answer
        if self.terms is None or self.train is None:
            return answer(self.problem)
        return answer_in(self.spec, self.train, self.terms, self.loss_function, self.problem)

    @cached_property
    def scores(self) -> Scores:
        """Losses, metrics and the exact answer, computed when first asked for."""
        if self.centred is not None:
            found = self.centred.scores
            return replace(found, exact=_exact_to_user(found.exact, self.centred.terms))
        with np.errstate(over="ignore", invalid="ignore"):  # where a descent ended far out
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
    def metrics(self) -> dict[str, dict[str, Any]]:
        """`train` and, with held-out rows, `test`; see `steepest.scoring`.

        Of numbers r2, mae, rmse; of classes accuracy, error_rate, balanced_accuracy, base_rate, precision, recall, auc
        and the counts `confusion` (row: the true class, column: the predicted one, in the order of `schema.classes`).
        """
        return self.scores.metrics

    @property
    def exact(self) -> Exact | None:
        """The best possible answer (`theta`, `loss`, `objective`, `method`, `certificate`), or None."""
        found = self.scores.exact
        return None if found is None or (found.theta is None and not found.separable) else found

    @property
    def exact_note(self) -> str:
        """What should be known about the exact answer, or why there is none; "" if nothing."""
        found = self.scores.exact
        return "A module has no exact answer to compare with." if found is None else found.note

    @property
    def gap(self) -> float | None:
        """F(θ) − F*; None where no exact answer exists. A difference within rounding is 0."""
        return self._answered.gap(self.objective_value)

    @property
    def relative_gap(self) -> float | None:
        """gap / max(F*, 1e-12·F(start))."""
        return self._answered.relative_gap(self.objective_value, float(self.trace.objective[0]))

    @property
    def _answered(self) -> Answer:
        return Answer(self.scores.exact, self.scores.exact_objective, self.scores.rounding)

    @property
    def status(self) -> Status:
        """How the descent ended, judged by the gap: stopped is not arrived."""
        return self._judged.status

    @property
    def message(self) -> str:
        """The status as a sentence, with its numbers and what would help: of a descent that diverged, what the findings say."""
        advice = self._judged.advice
        if self.status is Status.DIVERGED and not self.swept and (found := self._cure()):
            advice = found
        return f"{self.outcome} {advice}".strip()

    def _cure(self) -> str:
        """The remedy of the first finding about the descent, in words; "" where there is none, or no rows to find it in."""
        try:
            found = next((one for one in self.diagnose() if one.remedy and not one.of_model), None)
        except FitError:
            return ""
        return "" if found is None else f"Try {found.python}."

    @property
    def outcome(self) -> str:
        """The same without what would help, for where the findings say that better."""
        return f"{self._judged.status.told(self._ended())} {self._judged.detail}".strip()

    def _ended(self) -> str:
        """The sentence of the status, with the number of epochs or steps that there were."""
        status, spec = self._judged.status, self.spec
        if status is Status.EPOCHS:
            named = "requested" if spec.epochs is not None else "default"
            return f"Stopped after the {named} {self.epochs:,} epoch{'' if self.epochs == 1 else 's'}."
        if status is Status.STEPS:
            return f"Stopped after the requested {self.steps:,} step{'' if self.steps == 1 else 's'}."
        return status.value

    @cached_property
    def _judged(self) -> Ending:
        return _judge(self) if self.centred is None else self.centred._judged

    def diagnose(self) -> Findings:
        """What keeps the descent from its optimum and what is wrong with the model, the most important first.

        Each finding has the numbers that show it, settings that fix it, and what those are predicted to give; see
        `steepest.analysis.finding`. A healthy fit has none. They are found when first asked for, and kept in a run's folder.

        Raises:
            FitError: a loaded fit whose run has neither findings nor all the rows.

        Example:
            >>> from steepest.fitting import fit
            >>> print(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).diagnose().found)
            ()
        """
        return self._found

    @cached_property
    def _found(self) -> Findings:
        if self.centred is not None:
            return self.centred._found
        from steepest.analysis.diagnosis import diagnose

        return replace(diagnose(_with_rows(self)), looked_at=looked_at(self))

    def predict(self, x: Any, theta: Any = None) -> np.ndarray:
        """Predictions for new rows: numbers, or class labels as they were in the table (text, integers, booleans).

        Args:
            x: anything that `fit` takes as a table, or an array `[n, d]` (`[n]` for one column); of a `DataLoader` or dataset
                the rows in the dataset's order, however the loader shuffles them (of a `SubsetRandomSampler` its own).
            theta: other parameters in the place of the fit's own, in the order of `names`.

        Returns:
            `[n]`, or `[n, m]` for several targets.
        """
        prediction = self.decision(x, theta)
        if self.schema.classes is None:
            return prediction
        codes = prediction.argmax(-1) if prediction.ndim == 2 else (prediction > 0).astype(int)
        return self.schema.labels[codes]

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
        if self.centred is not None:
            return self.centred.decision(x, self.centred.theta if theta is None else self._inner_theta(values))
        return self._log_odds(self._columns(x), values)

    def _columns(self, x: Any) -> np.ndarray:
        """New rows as the model takes them."""
        x = read(x).x if is_source(x) else x
        images = getattr(x, "ndim", 0) > 2 and self.terms is None
        return np.asarray(x) if images else self.schema.encode(x, Reading.of(self.spec))

    def _log_odds(self, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Predictions, or log-odds also where the model gives the probabilities of classes."""
        prediction = self._predict_columns(x, theta)
        if not getattr(self.loss_function, "probabilities", False) or self.schema.classes is None:
            return prediction
        with np.errstate(divide="ignore"):
            return np.log(prediction) - np.log1p(-prediction)

    def _predict_columns(self, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        if self.terms is not None:
            blocks = theta.reshape(-1, len(self.terms.powers)).T
            coefficients = blocks[:, 0] if blocks.shape[1] == 1 else blocks
            # a block of rows at a time: a design of all would be a second copy of a tall table
            parts = [self.terms.design(x[rows]) @ coefficients for rows in row_blocks((len(x), len(blocks)))]
            return np.concatenate(parts) if parts else np.empty((0, *coefficients.shape[1:]))
        if self.network is None:
            raise FitError("Pass the model: st.load(folder, model=MyNet).")
        return _module_output(self.network, x, theta)

    def objective(self, theta: Any) -> tuple[float, np.ndarray]:
        """F(θ) and its gradient `[p]`, penalty included, over the training rows, at any θ in user units.

        Where F has a kink the gradient is the subgradient with 0 for it. Raises SpecError for a wrong number of
        parameters, and FitError for a loaded fit, which has no data.
        """
        values = np.asarray(theta, dtype=np.float64).ravel()
        if values.size != len(self.names):
            raise SpecError(
                f"theta has {values.size} numbers; the fit has {len(self.names)}: {', '.join(self.names[:8])}."
            )
        if self.centred is not None:
            value, grad = self.centred.objective(self._inner_theta(values))
            return value, grad if self.centred.terms is None else centring.gradient_to_user(self.centred.terms, grad)
        if self.train is None:
            raise FitError(
                "A loaded fit has its parameters but not its data, so it has no objective. Fit again to have one."
            )
        if self.problem is not None:
            whole: Any = LinearObjective(self.problem, tuple(self.names))
        else:
            target, _ = targets(self.train, self.loss_function)
            if self.network is None:
                raise FitError("Pass the model: st.load(folder, model=MyNet).")
            module = copy.deepcopy(self.network).double()
            weights = None if self.train.weights is None else self.train.weights / self.train.weights.mean()
            whole = ModuleObjective(
                module,
                self.loss_function,
                torch.as_tensor(self.train.x, dtype=torch.float64),
                torch.as_tensor(target),
                None if weights is None else torch.as_tensor(weights),
                losses.penalty(self.spec.penalty),
            )
            whole.balance = None  # the gradient of F itself, and not what a descent takes for it
        theta = torch.as_tensor(values)
        loss, grad = whole.value_and_grad(theta)
        return float(loss + whole.penalty(theta)), (grad + whole.subgradient(theta)).numpy()

    def summary(self) -> dict[str, Any]:
        """Everything worth knowing as one plain object: what `--json` prints and `summary.json` holds."""
        try:
            findings = self.diagnose().to_dicts()
        except FitError:  # a run that has neither findings nor all its rows
            findings = None
        return self._figures() | {"findings": findings}

    def _figures(self) -> dict[str, Any]:
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
            "model": self.model_name,
            "loss_function": str(self.loss_function),
            "optimizer": self.optimizer,
            "lr": self.lr,
            "schedule": self.schedule,
            "precondition": self.precondition,
            "engine": self.engine,
            "notes": list(self.notes),
        }

    def curvature(self, theta: Any = None) -> Curvature:
        """Curvature, largest and best rates and predicted steps; see `steepest.analysis.rate_table.curvature`."""
        from steepest.analysis import rate_table

        return rate_table.curvature(self.inner, self._inner_theta(theta))

    def sharpness(self, count: int = 3, rows: int | None = 1_000, along: bool | int = False) -> Sharpness:
        """The largest and smallest eigenvalues of the Hessian, of any model; see `steepest.analysis.sharpness.sharpness`."""
        from steepest.analysis import sharpness

        return sharpness.sharpness(self.inner, count, rows, along)

    def _inner_names(self, names: Any) -> Any:
        """Names of parameters as the inner fit has them; whatever else is given stays as it is."""
        if self.centred is None or names is None or isinstance(names, str):
            return names
        return [dict(zip(self.names, self.centred.names, strict=True)).get(name, name) for name in names]

    def _inner_theta(self, theta: Any) -> Any:
        if self.centred is None or self.centred.terms is None or theta is None:
            return theta
        return centring.from_user(self.centred.terms, np.asarray(theta, dtype=np.float64).ravel())

    # ---- doors to the views: what each takes and draws stands at the function behind it ------------

    def plot(self, also: Sequence[Fit] = (), step: int | None = None, theme: str = "light") -> Figure:
        """The rows and what the fit makes of them; see `steepest.plots.predictions.plot`."""
        from steepest.plots import predictions

        return predictions.plot(self.inner, _inner(also), step, theme)

    def residuals(self, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
        """What the fit leaves over, and its quantiles; see `steepest.plots.residuals.residuals`."""
        from steepest.plots import residuals

        return residuals.residuals(self.inner, _inner(also), theme)

    def loss_curve(self, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
        """Loss, gap and learning rate over the steps; see `steepest.plots.loss_curve.loss_curve`."""
        from steepest.plots import loss_curve as curves

        return curves.loss_curve(self.inner, _inner(also), theme)

    def parameters(self, names: Sequence[str] | None = None, theme: str = "light") -> Figure:
        """Each parameter over the steps beside its exact value; see `steepest.plots.parameters.parameters`."""
        from steepest.plots import parameters

        return parameters.parameters(self.inner, self._inner_names(names), theme)

    def surface(
        self,
        loss: Any = None,
        also: Sequence[Fit] = (),
        plane: Any = None,
        window: Any = None,
        grid: int | None = None,
        coordinates: str = "user",
        others: str = "held",
        seed: int = 0,
        theme: str = "light",
    ) -> Figure:
        """The loss over a plane of θ as a map and a bowl, the path on both; see `steepest.plots.surface.draw.surface`."""
        from steepest.plots.surface import draw

        return draw.surface(
            self.inner, loss, _inner(also), self._inner_names(plane), window, grid, coordinates, others, seed, theme
        )

    def path3d(self, parameters: Sequence[str] | None = None, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
        """The path of three parameters, coloured by time; see `steepest.plots.path3d.path3d`."""
        from steepest.plots import path3d as paths

        return paths.path3d(self.inner, self._inner_names(parameters), _inner(also), theme)

    def animate(
        self,
        path: str | PathLike[str] | None = None,
        *,
        frames: int = 100,
        milliseconds: int = 40,
        loss: Any = None,
        plane: Any = None,
        window: Any = None,
        arrows: bool = False,
        theme: str = "light",
    ) -> Movie:
        """A film of the descent, from its trace; see `steepest.plots.film.encode.animate`."""
        from steepest.plots.film import encode

        surface = {"loss": loss, "plane": self._inner_names(plane), "window": window}
        return encode.animate(
            self.inner, path, frames=frames, milliseconds=milliseconds, arrows=arrows, theme=theme, **surface
        )

    def report(self, path: str | PathLike[str], *, film: bool = True) -> Path:
        """One page with everything, that works from disk; see `steepest.report.report`."""
        from steepest import report

        return report.report(self, path, film=film)

    def _repr_html_(self) -> str:
        from steepest.text import summary as summaries

        return summaries.fit_html(self)

    def __str__(self) -> str:
        from steepest.text import summary as summaries

        return summaries.fit_text(self)

    def to_python(
        self, path: str | PathLike[str] | None = None, *, style: str = "loop", notebook: bool | None = None
    ) -> str:
        """The fit as a short script of plain PyTorch that prints the same numbers; see `steepest.export.to_python`."""
        from steepest import export

        return export.to_python(self.inner, path, style=style, notebook=notebook)

    def save(self, folder: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the fit into a run's folder; see `steepest.storage.run_folder.save`."""
        from steepest.storage import run_folder

        run_folder.save(self, folder, overwrite)


def _inner(fits: Sequence[Fit]) -> list[Fit]:
    return [fit.inner for fit in fits]


def _exact_to_user(exact: Exact | None, terms: Terms | None) -> Exact | None:
    if exact is None or exact.theta is None or terms is None:
        return exact
    return replace(exact, theta=centring.to_user(terms, exact.theta))


def _module_output(module: nn.Module, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    module = copy.deepcopy(module).eval()
    parameters = [p for p in module.parameters() if p.requires_grad]
    with torch.no_grad():
        like = parameters[0]
        torch.nn.utils.vector_to_parameters(torch.as_tensor(theta).to(like), parameters)
        output = module(torch.as_tensor(x).to(like)).cpu().double().numpy()
    return output[:, 0] if output.ndim == 2 and output.shape[1] == 1 else output


def _scores(fit: Fit) -> Scores:
    if fit.train is None:
        raise FitError("This fit has no data to be scored on.")
    if fit.problem is not None:
        objective = _objective_at(fit.problem, fit.theta)
        loss = _objective_at(replace(fit.problem, penalty=losses.Penalty()), fit.theta)
    else:
        loss = objective = float(fit.trace.loss[-1])
        if fit.trace.objective[-1] == fit.trace.objective[-1]:
            objective = float(fit.trace.objective[-1])
    found = fit.answer.beside(objective, float(fit.trace.objective[0]))
    scored = {"train": _metrics(fit, fit.train)}
    test_loss = None
    if fit.test is not None:
        scored["test"] = _metrics(fit, fit.test)
        test_loss = _mean_loss(fit, fit.test)
    return Scores(loss, objective, test_loss, scored, found.exact, found.objective, found.rounding)


def _rounding(problem: LinearProblem, theta: np.ndarray) -> float:
    """How much F changes at most where the coefficients of its minimum are rounded to float64, as they must be.

    Predictions are off by up to 2·eps·|A|·|θ|. That is nothing to first order at a smooth minimum, but all at a kink.
    """
    theta = np.abs(theta.reshape(problem.outputs, -1)).T
    size = np.concatenate([np.abs(problem.design[rows]) @ theta for rows in row_blocks(problem.design.shape)])
    off = 2 * np.finfo(float).eps * size
    bound = problem.loss.bound
    return float(off.mean() if bound is None else 0.5 * bound * (off**2).sum(1).mean())


def _objective_at(problem: LinearProblem, theta: np.ndarray) -> float:
    plain = LinearObjective(problem, start=theta)
    whole = ExtendedObjective(plain) if double_double.pays(problem) else plain
    try:
        return float(whole.value(plain.theta) + whole.penalty(plain.theta))
    except OverflowError:  # where a descent ended far out; plain float64 says inf
        return float(plain.value(plain.theta) + plain.penalty(plain.theta))


def _metrics(fit: Fit, rows: Dataset) -> dict[str, Any]:
    """The metrics of some rows; none where predictions of numbers are not in the units of the target.

    Of a mean and a variance for one target, or of a logarithm, only the loss knows how far off they are.
    """
    decision = fit._log_odds(rows.x, fit.theta)
    units = decision.shape == rows.y.shape and getattr(fit.loss_function, "units", True)
    return metrics(decision, rows) if units or rows.classes is not None else {}


def _mean_loss(fit: Fit, rows: Dataset) -> float:
    target, _ = targets(rows, fit.loss_function)
    prediction = torch.as_tensor(fit._predict_columns(rows.x, fit.theta))
    weights = None if rows.weights is None else torch.as_tensor(rows.weights / rows.weights.mean())
    return float(fit.loss_function.mean(prediction, torch.as_tensor(target), weights))


Case = Literal["as it is", "separable", "unknown", "adamw", "collinear", "below", "arrived", "left"]


def verdict(
    status: Status, found: Answer, objective: float, start: float, loss: losses.Loss, optimizer: str
) -> tuple[Status, Case]:
    """Whether a descent that stopped has also arrived: its status beside the exact answer, and which case it is."""
    if status in (Status.DIVERGED, Status.INTERRUPTED):
        return status, "as it is"
    if found.exact is not None and found.exact.separable:
        return Status.SEPARABLE, "separable"
    gap = found.relative_gap(objective, start)
    if gap is None or found.objective is None:
        return Status.TOLERANCE if status in (Status.STALLED, Status.CONVERGED) else status, "unknown"
    if optimizer.startswith("adamw"):
        return status, "adamw"
    closed = CLOSED_KINKED if loss.bound is None else CLOSED
    stopped = Status.STALLED if status is Status.CONVERGED else status
    if found.rounding > max(closed * found.objective, 1e-12 * start):
        return stopped, "collinear"
    if gap < -closed:
        return stopped, "below"
    return (Status.CONVERGED, "arrived") if gap <= closed else (stopped, "left")


def _with_rows(fit: Fit) -> Fit:
    """A fit with the rows that it was fitted to: a loaded one is given those that its run has kept, if these are all."""
    if fit.train is not None:
        return fit
    train, test = fit.__dict__.get("_rows", (None, None))
    if train is None or train.rows < fit.rows:
        raise FitError(
            "This run was kept without its findings, and not with all of its rows, from which they could be found now. "
            "Fit again to have them."
        )
    if fit.terms is None and fit.network is None:
        raise FitError("Pass the model to diagnose this run: st.load(folder, model=MyNet).")
    whole = replace(fit, train=train, test=test)
    whole.__dict__["scores"], whole.__dict__["_judged"] = fit.scores, fit._judged
    return whole


def looked_at(fit: Fit) -> str:
    """What a diagnosis looks at, and how the fit ended: what there is to say where nothing was found."""
    return f"{LOOKED_AT} {fit.outcome[:1].upper()}{fit.outcome[1:]}"


def _judge(fit: Fit) -> Ending:
    """The verdict in words."""
    ended, start = fit.ending, float(fit.trace.objective[0])
    status, case = verdict(ended.status, fit._answered, fit.objective_value, start, fit.loss_function, fit.optimizer)
    gap = fit.relative_gap or 0.0
    if case == "as it is":
        return ended
    if case == "unknown" and ended.status in (Status.STALLED, Status.CONVERGED):
        return Ending(status, fit.exact_note)
    if case == "unknown":
        return Ending(status, f"{ended.detail} {fit.exact_note}".strip())
    if case == "left" and status is not Status.STALLED:
        advice = {
            Status.EPOCHS: "Give more epochs (epochs=) or another learning rate (lr=).",
            Status.STEPS: "Give more steps (max_steps=) or another learning rate (lr=).",
            Status.TOLERANCE: "Lower tol= to continue.",
        }.get(status, "")
        left = f"The optimum is not reached: the relative gap is {gap:.1e}."
        return Ending(status, f"{ended.detail} {left}".strip(), advice)
    if case == "separable":
        return Ending(status, "", "Add a penalty: penalty='l2:0.001'.")
    words = {
        "adamw": "AdamW's decay minimises no objective; the gap is to the objective without it.",
        "collinear": "Columns are collinear within rounding: float64 coefficients cannot say where the optimum is.",
        "below": f"It lies below the exact answer, which is off by {-gap:.1e} of its own value.",
        "arrived": f"The relative gap is {gap:.1e}." if gap > 0.0 else "",
    }
    return Ending(status, words[case] if case in words else _left_over(fit))


def _left_over(fit: Fit) -> str:
    """Which coefficient is furthest from its exact value, in units of its own size."""
    gap = f"The relative gap is {fit.relative_gap:.1e}"
    if fit.exact is None or fit.exact.theta is None:
        return gap + "."
    off = np.abs(fit.theta - fit.exact.theta)
    worst = int(np.argmax(off / (np.abs(fit.exact.theta) + 1e-6 * np.abs(fit.exact.theta).max() + 1e-300)))
    if fit.spec.dtype == "float32":
        left = f"{off[worst]:.1g} left in {fit.names[worst]!r}"
        return f"{gap}: float32 sees no further change; {left}; float64 would go on."
    return f"{gap}: {off[worst]:.1g} left in {fit.names[worst]!r}."
