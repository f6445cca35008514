"""Targets as PyTorch's programs have them: a column `[n, 1]`, one-hot rows, shares of classes, the numbers of outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from steepest import torch_criteria
from steepest.choices import is_choice, required
from steepest.data.dataset import Dataset
from steepest.data.in_memory import as_array
from steepest.errors import DataError, SpecError, SteepestError
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.lazy import nn, torch
from steepest.model import modules
from steepest.model.calling import evaluating, output
from steepest.settings import Spec

ONE_HOT = "The one-hot rows of y are read as the numbers of their classes, y.argmax(1)."


def is_module(spec: Spec) -> bool:
    """Whether the model is a module, and not of the linear family."""
    return is_own(spec) or spec.model.startswith("mlp")


def is_own(spec: Spec) -> bool:
    """Whether the model is a module of the user's, which counts on every column that it is given."""
    return not is_choice(spec.model, MODELS)


def shaped(y: Any, spec: Spec, classify: bool | None) -> tuple[Any, bool | None, tuple[str, ...]]:
    """y in a shape that a table has, whether it is classes, and what is to be said about it.

    classify: what the loss needs, as `prepare` takes it.
    """
    if not (isinstance(y, np.ndarray) or hasattr(y, "detach")):
        return y, classify, ()
    array = as_array(y)
    if array.ndim == 2 and array.shape[1] == 1 and is_module(spec):
        array = array[:, 0]
    if array.dtype.kind not in "fiub":
        return array, classify, ()
    binary = torch_criteria.has(spec.loss, torch_criteria.BINARY)
    if array.ndim == 1:
        shares = binary and not np.isin(array, (0, 1)).all() and array.dtype.kind == "f"
        return array, False if shares else classify, ()
    if array.ndim != 2 or not classify:
        return array, classify, ()
    if binary:
        return array, False, ()  # several labels at once
    whole = np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()
    if whole:
        return array.argmax(1), classify, (ONE_HOT,)
    shares = (array >= 0).all() and np.allclose(array.sum(1), 1.0, rtol=0, atol=1e-6)
    return array, False if shares and torch_criteria.has(spec.loss, torch_criteria.CODES) else classify, ()


def numbered(spec: Spec, train: Dataset, test: Dataset | None) -> tuple[Dataset, Dataset | None]:
    """The rows with targets as the numbers of the module's outputs, where they are such numbers.

    Whole numbers from 0 are classes for a loss of the user's own if the module has several outputs for one target; and
    class 7 stands for output 7 where the module has that many, also if no row has class 6.
    """
    own = callable(spec.loss) and not torch_criteria.is_criterion(spec.loss)
    if isinstance(spec.model, str) or train.y.ndim != 1 or not (own or train.classes is not None):
        return train, test
    parts = [part for part in (train, test) if part is not None]
    values = [_numbers(part) for part in parts]
    if any(value is None for value in values):
        return train, test
    every = np.concatenate([value for value in values if value is not None])
    prediction = _prediction(spec, train)
    outputs = 0 if prediction is None else prediction.shape[1]
    codes = train.classes is not None and train.classes == tuple(str(code) for code in range(outputs))
    if outputs < 2 or every.min() < 0 or every.max() >= outputs or codes:
        return train, test
    if train.classes is not None and len(train.classes) == 2 and outputs == 2 and set(every.tolist()) <= {0, 1}:
        return train, test
    if own and prediction is not None and not _takes_codes(spec.loss, prediction):
        return train, test
    labels = tuple(str(code) for code in range(outputs))
    found = [
        replace(part, y=value, classes=labels, schema=replace(part.schema, classes=labels, label_kind="integer"))
        for part, value in zip(parts, values, strict=True)
        if value is not None
    ]
    return found[0], found[1] if len(found) > 1 else None


def check_trials(spec: Spec, trials: Any) -> None:
    """Raise SpecError for trials beside a loss that is of none, and of several targets."""
    choice = LOSSES.get(spec.loss.partition(":")[0]) if isinstance(spec.loss, str) else None
    family = getattr(choice, "family", None)
    if trials is not None and not (family is not None and family.trials):
        raise SpecError("trials= is for loss='binomial', whose target counts successes.")
    if trials is not None and isinstance(spec.target, tuple) and len(spec.target) > 1:
        raise SpecError("trials= is for one target.")


def check_ignored(spec: Spec, train: Dataset, test: Dataset | None) -> None:
    """DataError where rows have the target that a criterion's `ignore_index` leaves out.

    The criterion looks at the numbers of outputs: these count as well as the labels.
    """
    ignored = getattr(spec.loss, "ignore_index", None)
    if not torch_criteria.is_criterion(spec.loss) or ignored is None or train.classes is None or train.y.ndim != 1:
        return
    labels = np.array(train.classes)
    number = train.schema.label_kind != "text"
    y = np.concatenate([part.y for part in (train, test) if part is not None]).astype(np.int64)
    rows = int(((y == ignored) | ((labels[y] == str(ignored)) & number)).sum())
    if rows:
        own = str(ignored) in train.classes and number
        what = f"the target {ignored}" if own else f"the class {train.classes[ignored]!r}, output {ignored}"
        raise DataError(
            f"{rows:,} rows have {what}, which the loss leaves out (ignore_index={ignored}). Leave these rows out of the data."
        )


def _numbers(part: Dataset) -> np.ndarray | None:
    """The target as whole numbers; None where it is something else."""
    if part.classes is None:
        return part.y.astype(np.int64) if bool((part.y == part.y.round()).all()) and len(part.y) else None
    if not all(label.isdecimal() for label in part.classes) or part.schema.label_kind == "text":
        return None
    return np.array([int(label) for label in part.classes])[part.y]


def _takes_codes(loss: Any, prediction: torch.Tensor) -> bool:
    """Whether a loss of the user's own takes the numbers of classes, and no other numbers, beside predictions `[n, k]`."""
    codes = torch.zeros(len(prediction), dtype=torch.int64, device=prediction.device)
    takes = []
    for target in (codes, codes.to(prediction.dtype)):
        try:
            loss(prediction, target)
            takes.append(True)
        except Exception:  # it is the user's own code: that it fails is what is asked
            takes.append(False)
    return takes == [True, False]


def _prediction(spec: Spec, train: Dataset) -> torch.Tensor | None:
    """What the module gives for a few rows `[n, k]`; None where that cannot be told, or is no such thing."""
    from steepest.model.wrapped_modules import taking  # which imports PyTorch

    factory = spec.model
    if not isinstance(factory, nn.Module) and len(required(factory) or ()) == 2:
        return None
    try:
        module = modules.module(factory, train.x.shape[1], 1, spec.seed)
        if module is None:
            return None
        dtype, device = modules.kind_of(module)
        rows = torch.as_tensor(train.x[:4]).to(device, dtype)
        module = taking(modules.filled(module, rows, spec.seed), rows)
        with evaluating(module), torch.no_grad():
            found = output(module, rows)
    except SteepestError:
        return None  # it is said where the module is tried
    return found if found.ndim == 2 else None
