"""What both estimators do: arrays in, a `Fit` beneath, fitted attributes out."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.analysis.exact.answer import Exact
from steepest.data.dataset import Dataset
from steepest.descent.stopping import Status
from steepest.descent.trace import Trace
from steepest.errors import SpecError
from steepest.estimators import arrays, parameters, rows
from steepest.estimators import sparse as sparse_rows
from steepest.estimators.following import Course, Standing
from steepest.estimators.model import Model
from steepest.estimators.stepping import Stepper
from steepest.fitting import run
from steepest.planned import Plan
from steepest.result import Fit
from steepest.settings import Spec
from steepest.settings_table import DEFAULT_EPOCHS

ASKS_THE_SOLVER = ("gap_", "exact_", "status_", "_verdict")
"""Attributes that take an exact answer, which is found when one of them is first asked for."""


@dataclass(frozen=True)
class Given:
    """What `fit` was given, checked: columns or a sparse matrix, targets or codes, weights with and without those of classes."""

    x: Any
    y: np.ndarray
    weights: np.ndarray | None
    own: np.ndarray | None


class Descent(CallbackSupportMixin, BaseEstimator, ABC):
    """An estimator over `fit()`."""

    _of_classes: bool
    fit_: Fit | None

    # ---- what a target is: the estimator's own -----------------------------------------------------

    @abstractmethod
    def _learned(self, y: Any, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Targets or codes of a checked y, and the factor of each row's weight; what is learned of them is kept."""

    @abstractmethod
    def _read(self, y: Any) -> np.ndarray:
        """Targets or codes of other rows, as those that were learned of."""

    @abstractmethod
    def _coefficients(self, coefficients: np.ndarray, intercepts: np.ndarray) -> dict[str, Any]:
        """`coef_` and `intercept_` of `[k, p]` and `[k]`."""

    # ---- fitting -----------------------------------------------------------------------------------

    @with_callbacks
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None, sample_weight_val: Any = None
    ) -> Self:  # fmt: skip
        """Fit to all rows.

        Args:
            X: `[n, d]`, an array, a frame or a sparse matrix.
            y: `[n]`; numbers may be `[n, m]`.
            sample_weight: `[n]`.
            X_val, y_val, sample_weight_val: rows of their own to stop by, in the place of a share of X.

        Raises:
            ValueError: the data or the parameters are at fault (`DataError`, `SpecError`).

        Example:
            >>> from steepest.estimators.classifier import DescentClassifier
            >>> answers = DescentClassifier(penalty="l2:0.01", class_weight="balanced")
            >>> answers.fit([[0.0], [1.0], [2.0]], ["no", "no", "yes"], sample_weight=[1, 2, 1]).classes_.tolist()
            ['no', 'yes']
        """
        before = getattr(self, "_standing", None) if self.warm_start else None
        if (X_val is None) != (y_val is None) or (X_val is None and sample_weight_val is not None):
            raise ValueError("X_val and y_val are given together, and sample_weight_val with them only.")
        kept, known = None if before is None else self._kept(), dict(vars(self))
        given = self._given(X, y, sample_weight, learn=True)
        if kept is not None and kept != self._kept():
            self.__dict__.update(known)
            raise ValueError(
                "warm_start=True goes on where the last fit ended, which had other columns or classes than these rows. Set "
                "warm_start=False, or clone the estimator."
            )
        apart = None if X_val is None else self._given(X_val, y_val, sample_weight_val, learn=False)
        spec = parameters.spec_of(self, self._of_classes, apart is not None)
        if before is not None:
            spec = spec.model_copy(update={"init": before.theta})
        train = self._rows(given)
        course = Course(before, bool(self.warm_start), None)
        told = _Told(self, X, y, sample_weight, spec)
        if told.callbacks:
            course.told, course.attributes = told.epoch, self._attributes_at(train)
        apart_rows = None if apart is None else self._rows(apart)
        follower = course if self.warm_start or told.callbacks else None
        try:
            if sparse.issparse(train.x):
                done = sparse_rows.run(spec, train, apart_rows, follower)
                self._sparse = train
            else:
                done = run(spec, train, validation=apart_rows, follower=follower)
        except SpecError as error:
            raise SpecError(parameters.in_parameters(str(error))) from None
        self._settle(done, given, course if self.warm_start else None, before)
        told.end()
        return self

    def _kept(self) -> tuple[int, list[Any]]:
        """What another fit must have in common with the last one to go on there: columns, and classes."""
        return self.n_features_in_, np.ravel(arrays.plain(getattr(self, "classes_", ()))).tolist()

    def _given(self, X: Any, y: Any, sample_weight: Any, learn: bool, reset: bool | None = None) -> Given:
        """X, y and weights, checked as scikit-learn does. learn: whether the estimator is to learn its classes of them."""
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: {type(self).__name__} learns to predict it."
            )
        checks: dict[str, Any] = {"multi_output": True, "y_numeric": True} if not self._of_classes else {}
        x, y = validate_data(
            self, X, y, reset=learn if reset is None else reset, accept_sparse="csr", dtype=arrays.floats(X), **checks
        )
        if learn or reset:
            self._like = arrays.Like.of(x)
        x, y = arrays.plain(x), arrays.plain(y)
        own = arrays.weights_of(sample_weight, x)
        x, y, own = rows.counted(x, y, own)
        if not learn:
            return Given(x, self._read(y), own, own)
        goals, factors = self._learned(y, own)
        weights = own if factors is None else factors if own is None else factors * own
        return Given(x, goals, weights, own)

    def _rows(self, given: Given) -> Dataset:
        names = getattr(self, "feature_names_in_", ())
        classes = getattr(self, "classes_", None) if self._of_classes else None
        labels = None if classes is None else arrays.plain(classes)
        return rows.rows_of(given.x, given.y, given.weights, names, labels, bool(self.fit_intercept), given.own)

    def _settle(self, done: Fit, given: Given, course: Course | None, before: Standing | None) -> None:
        """The fitted attributes."""
        for name in ("_judged", "_stepper", *(() if sparse.issparse(given.x) else ("_sparse",))):
            self.__dict__.pop(name, None)
        kept = self.loss_curve_[:-1] if before is not None else []
        self.loss_curve_ = kept + done.trace.objective[~np.isnan(done.trace.objective)].tolist()
        self.fit_, self._model = done, Model.of(done)
        self.n_iter_ = max(1, done.epochs)
        user = Model(done.theta, done.schema, done.loss_function, done.terms, done.network)
        self.__dict__.update(self._of(user))
        self._standing = None if course is None else course.standing(done.theta, done.steps, done.epochs)
        _warn(done)

    def _stepped(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        """One update on these rows. first: whether nothing is known of the columns yet."""
        given = self._given(X, y, sample_weight, learn=False, reset=first)
        spec = parameters.spec_of(self, self._of_classes, own_rows=True)
        if not first and "_stepper" not in self.__dict__ and self.fit_ is not None:
            self._stepper = Stepper(self.fit_.theta)
        self._stepper = self.__dict__.get("_stepper") or Stepper()
        train = self._rows(replace(given, weights=self._factored(given)))
        try:
            made, value = self._stepper.step(spec, train)
        except SpecError as error:
            raise SpecError(parameters.in_parameters(str(error))) from None
        theta = self._stepper.theta
        assert theta is not None
        self._model = Model.at(theta, made, train.schema)
        self.__dict__.update(self._of(self._model))
        self.loss_curve_ = [*(self.__dict__.get("loss_curve_", [])), value]
        self.n_iter_ = self.__dict__.get("n_iter_", 0) + 1
        self.fit_, self._judged = None, {"gap_": None, "exact_": None, "status_": Status.STEPS}
        self._standing = Standing(theta, (), made.lr, 0, 0)
        return self

    @abstractmethod
    def _factored(self, given: Given) -> np.ndarray | None:
        """The weights of some rows, with those of their classes."""

    def _of(self, model: Model) -> dict[str, Any]:
        """`coef_` and `intercept_` of a linear model; nothing of a module."""
        for name in ("coef_", "intercept_"):
            self.__dict__.pop(name, None)
        return self._named(model)

    def _named(self, model: Model) -> dict[str, Any]:
        parts = model.parts
        return {} if parts is None else self._coefficients(*parts)

    def _attributes_at(self, train: Dataset) -> Any:
        """What an estimator is that predicts as if the fit had ended at θ."""

        def attributes(made: Plan, theta: np.ndarray) -> dict[str, Any]:
            model = Model.at(theta, made, train.schema)
            return {"_model": model, "fit_": None, "n_iter_": 0, **self._named(model)}

        return attributes

    # ---- predicting --------------------------------------------------------------------------------

    def _checked(self, X: Any) -> Any:
        """Rows to predict, as arrays of NumPy's or a sparse matrix."""
        check_is_fitted(self)
        arrays.check_library(X, self, "predict")
        return self._checked_rows(X)

    def _checked_rows(self, X: Any) -> Any:
        """The same of rows with the columns that were learned of."""
        x = validate_data(self, X, reset=False, accept_sparse="csr", dtype=arrays.floats(X))
        return arrays.plain(x)

    # ---- what is known of a fit --------------------------------------------------------------------

    @property
    def trace_(self) -> Trace | None:
        """Every recorded step of the last `fit`; see `Trace`."""
        return self._known("fit_") and self._known("fit_").trace

    @property
    def gap_(self) -> float | None:
        """F(θ) − F*, how far the objective is from the best possible; None where no exact answer is known."""
        return self._verdict["gap_"]

    @property
    def exact_(self) -> Exact | None:
        """The best possible answer, an independent solver's; None where there is none."""
        return self._verdict["exact_"]

    @property
    def status_(self) -> Status:
        """How the descent ended, judged by the gap."""
        return self._verdict["status_"]

    @property
    def _verdict(self) -> dict[str, Any]:
        fit = self._known("fit_")
        if "_judged" not in self.__dict__:
            rows_apart = self.__dict__.pop("_sparse", None)
            if rows_apart is not None:
                self._judged = sparse_rows.judged(fit, rows_apart)
            else:
                self._judged = {"status_": fit.status, "exact_": fit.exact, "gap_": fit.gap}
        return self._judged

    def _known(self, name: str) -> Any:
        if name not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet: call fit() first.")
        return self.__dict__[name]

    def __dir__(self) -> list[str]:
        # a page on an estimator shows all that is listed: not what has to be solved for first
        hidden = () if "_judged" in self.__dict__ else ASKS_THE_SOLVER
        hidden = hidden if self.__dict__.get("fit_") is not None else (*hidden, "trace_")
        return [name for name in object.__dir__(self) if name not in hidden and hasattr(self, name)]

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows that were fitted; what these are needed for is found before."""
        if self.__dict__.get("fit_") is not None:
            _ = self._verdict
        state: dict[str, Any] = {**super().__getstate__()}  # pyrefly: ignore (it is a mapping)
        if (fit := state.get("fit_")) is not None:
            state["fit_"] = _without_rows(fit)
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags


class _Told:
    """scikit-learn's callbacks of one fit: what they are told."""

    def __init__(self, estimator: Descent, X: Any, y: Any, sample_weight: Any, spec: Spec):
        epochs = spec.epochs or (None if spec.batch_size == "full" else DEFAULT_EPOCHS["minibatch"])
        self.estimator, self.callbacks = estimator, bool(getattr(estimator, "_skl_callbacks", None))
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.context = estimator._init_callback_context(max_subtasks=epochs if self.callbacks else 0)
        self.context.call_on_fit_task_begin(**self.about)
        self.task: Any = None

    def epoch(self, attributes: Mapping[str, Any] | None) -> bool:
        """An epoch begins (None), or has ended with these attributes: whether to end the fit there."""
        if attributes is None:
            self.task = self.context.subcontext(task_name="epoch")
            self.task.call_on_fit_task_begin(**self.about)
            return False
        task, self.task = self.task, None
        return bool(task.call_on_fit_task_end(**self.about, reconstruction_attributes=dict(attributes)))

    def end(self) -> None:
        """The fit has ended: its last epoch, and all of it."""
        if self.task is not None:
            self.epoch({})
        self.context.call_on_fit_task_end(**self.about, reconstruction_attributes={})


def _warn(done: Fit) -> None:
    """Say where a descent did not arrive, as scikit-learn does."""
    ended, spec = done.ending, done.spec
    if ended.status is Status.DIVERGED:
        text = parameters.in_parameters(f"The loss grew without bound. {ended.detail} {ended.advice}")
        warnings.warn(text, ConvergenceWarning, stacklevel=5)
    elif ended.status in (Status.EPOCHS, Status.STEPS) and spec.batch_size == "full":
        text = (
            f"Stopped after {done.epochs:,} epochs, before the objective stood still. Raise max_iter or max_steps, or leave "
            "optimizer and lr at 'auto'."
        )
        warnings.warn(text, ConvergenceWarning, stacklevel=5)


def _without_rows(fit: Fit) -> Fit:
    """A fit as it is kept: its parameters, its trace and how it ended."""
    bare = copy.copy(fit)
    for name in ("train", "test", "validation", "table", "measured"):
        setattr(bare, name, None)
    for name in ("problem", "answer", "beside", "_bound"):
        bare.__dict__.pop(name, None)
    if fit.centred is not None:
        bare.centred = _without_rows(fit.centred)
    return bare
