"""`Fit`: a finished descent, scored on its data and judged by its gap to the best possible answer.

It holds what came of the descent and the rows that it was fitted to; the scores and the exact answer are found when they
are first asked for, after the descent has ended. Pictures, reports, scripts and folders are made by the functions that
its last lines name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from steepest import run_record
from steepest.analysis.finding import Findings
from steepest.data.dataset import Dataset
from steepest.descent.stopping import Status
from steepest.errors import FitError
from steepest.lazy import nn, torch
from steepest.methods import Methods
from steepest.model import centring
from steepest.model.of_fit import objective_of
from steepest.model.prediction import with_parameters
from steepest.predicting import Predicting
from steepest.text import fit as fit_text
from steepest.text.displayed import Displayed
from steepest.text.document import Document


@dataclass(repr=False, kw_only=True)
class Fit(Displayed, Predicting, Methods):
    """A finished descent: parameters in user units, every recorded step, and how far it is from the best possible.

    Attributes:
        theta: `[p]` float64, in user units.
        names: of the parameters; `intercept` first where there is one, then the columns (or powers `x`, `x^2`, …) in order.
        trace: every recorded step.
        spec: the settings, each checked.
        schema: the columns and the target as they were read.
        steps, epochs, seconds: how long it took: updates, passes over the rows, time.
        rows, test_rows: how many were fitted, and held out.
        optimizer, precondition, schedule, lr: what "auto" came to.
        engine: what took the steps: `loop`, or a compiled one.
        notes: what was decided when the table was read, and what else should be known.
        ending: how the descent ended, before the gap judged it (see `status`).
        loss_function: the loss.
        terms, network: the columns of the linear family, or the module as it was fitted; the other is None.
        kind: precision and device of the module as the user gave it; None where that is as the fit's.
        train, test: the rows fitted, and those held out; None for a loaded fit.
        validation: the rows that the descent was stopped by; None without any, and for a loaded fit.
        record: what a run's folder holds in the place of the data; of loaded fits only.
        centred: the same fit with powers of centred columns, which it was computed with; None where it was in user units.
        measured: what the last pass over a tall table or a stream gave.
        table: what the rows were given as, in memory: it is asked for columns that are no features.
        source: the path or `sample:NAME` that the rows came from; None for rows from memory.
        swept: whether it is a run of a sweep.

    Example:
        >>> from steepest.fitting import fit
        >>> line = fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0], optimizer="sgd", lr=0.1, epochs=20)
        >>> line.names, line.theta.round(2).tolist(), line.steps
        (['intercept', 'x'], [1.01, 1.99], 20)
        >>> round(line.loss, 4), round(line.exact.loss, 4), round(line.gap, 5), line.gap_kind
        (0.0047, 0.0045, 0.00022, 'exact')
        >>> line.status.name, round(line.metrics["train"]["r2"], 3)
        ('EPOCHS', 0.999)
    """

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

    def inner_names(self, names: Any) -> Any:
        """Names of parameters as the inner fit has them.

        Args:
            names: a list of names; whatever else is given stays as it is.
        """
        if self.centred is None or names is None or isinstance(names, str):
            return names
        return [dict(zip(self.names, self.centred.names, strict=True)).get(name, name) for name in names]

    @property
    def kept_rows(self) -> tuple[Dataset | None, Dataset | None]:
        """The rows fitted and those held out; of a loaded fit those that its run keeps, which may be a part only."""
        inner = self.inner
        return (inner.train, inner.test) if inner.train is not None or inner.record is None else inner.record.rows

    @cached_property
    def module(self) -> nn.Module | None:
        """The fitted module, a copy in evaluation mode, in the precision and on the device of the one given.

        It takes x in the units of the table: `fit.module(x)` is what `predict(x)` is made of. The module given to `fit()`
        stays as it was. None for the linear family, and for a run loaded without its module.
        """
        if self.network is None:
            return None
        module = with_parameters(self.network, self.theta)
        return module if self.kind is None else module.to(dtype=self.kind[0], device=self.kind[1])

    @property
    def status(self) -> Status:
        """How the descent ended, judged by the gap: stopped is not arrived."""
        return self.judged.status

    @property
    def message(self) -> str:
        """The status as a sentence, with its numbers and what would help: of a descent that diverged, what the findings say."""
        advice = self.judged.advice
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
        return f"{self.judged.status.told(self._ended())} {self.judged.detail}".strip()

    def _ended(self) -> str:
        """The sentence of the status, with the number of epochs or steps that there were."""
        status, spec = self.judged.status, self.spec
        if status is Status.EPOCHS:
            named = "requested" if spec.epochs is not None else "default"
            return f"Stopped after the {named} {self.epochs:,} epoch{'' if self.epochs == 1 else 's'}."
        if status is Status.STEPS:
            return f"Stopped after the requested {self.steps:,} step{'' if self.steps == 1 else 's'}."
        if status is Status.SEPARABLE and self.schema.classes is None:
            return "Rows whose targets are the least or largest that can be leave the loss without a finite minimum."
        return status.value

    def diagnose(self, mute: str | Sequence[str] = ()) -> Findings:
        """What keeps the descent from its optimum and what is wrong with the model, the most important first.

        Args:
            mute: codes of findings that are not to be shown, as `["ST003"]`. A run keeps them all the same.

        Each finding has the numbers that show it, settings that fix it, and what those are predicted to give, or what came of
        them where they were tried; see
        `steepest.analysis.finding`. A healthy fit has none. They are found when first asked for, and kept in a run's folder.

        Raises:
            FitError: a loaded fit whose run has neither findings nor all the rows.
            SpecError: a code that no finding has.

        Example:
            >>> from steepest.fitting import fit
            >>> print(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]).diagnose().found)
            ()
        """
        return self._findings.without(mute)

    @cached_property
    def _findings(self) -> Findings:
        if self.centred is not None:
            return self.centred._findings
        if self.record is not None and self.record.findings is not None:
            return Findings(self.record.findings, self.record.looked_at)
        found = _with_rows(self)._examined()
        ended = f"{self.outcome[:1].upper()}{self.outcome[1:]}"
        return replace(found, looked_at=f"{found.looked_at} {ended}".strip())

    def objective(self, theta: Any) -> tuple[float, np.ndarray]:
        """F(θ) and its gradient `[p]`, penalty included, over the training rows, at any θ in user units.

        Where F has a kink the gradient is the subgradient with 0 for it.

        Args:
            theta: `[p]`, in the order of `names`.

        Raises:
            SpecError: a wrong number of parameters. FitError: a loaded fit, which has no data.

        Example:
            >>> from steepest.fitting import fit
            >>> loss, gradient = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).objective([1.0, 1.0])
            >>> round(loss, 6), gradient.round(6).tolist()
            (1.666667, [-2.0, -3.333333])
        """
        values = self._sized(theta)
        if self.centred is not None:
            value, grad = self.centred.objective(self.inner_theta(values))
            return value, grad if self.centred.terms is None else centring.gradient_to_user(self.centred.terms, grad)
        if self.train is not None and self.train.stream is not None:
            return self._over_stream(values)
        whole = objective_of(self)
        theta = torch.tensor(values)
        loss, grad = whole.value_and_grad(theta)
        return float(loss + whole.penalty(theta)), (grad + whole.subgradient(theta)).numpy()

    to_dict = run_record.to_dict

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"table": None}  # the user's own, which may be of any size and kind

    def _document(self, width: float) -> Document:
        return fit_text.document(self, width)


def _with_rows(fit: Fit) -> Fit:
    """A fit with the rows that it was fitted to: a loaded one is given those that its run has kept, if these are all."""
    if fit.train is not None:
        return fit
    train, test = fit.kept_rows
    if train is None or train.rows < fit.rows:
        raise FitError(
            "This run was kept without its findings, and not with all of its rows, from which they could be found now. "
            "Fit again to have them."
        )
    if fit.terms is None and fit.network is None:
        raise FitError("Pass the model to diagnose this run: st.load(folder, model=MyNet).")
    return replace(fit, train=train, test=test)
