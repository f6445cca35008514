"""`fit.to_onnx(path)`: a fit with its preprocessing as a graph of ONNX, in float64.

    columns ──onnx_columns.py──▶ features x ──terms, coefficients or layers──▶ prediction, or label and probabilities

Losses' and families' own formulas are written down by `onnx_graph.py`, so that no formula stands twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from steepest.atomic_file import write_file
from steepest.errors import FitError
from steepest.export.onnx_columns import Columns
from steepest.export.onnx_graph import Graph
from steepest.formulas.words import sigmoid
from steepest.lazy import nn
from steepest.model.linear import Terms
from steepest.model.of_fit import module_of
from steepest.model.prediction import has_probabilities, with_parameters
from steepest.result import Fit


def to_onnx(fit: Fit, path: str | os.PathLike[str]) -> Path:
    """Write the fit with its preprocessing as a model of ONNX (opset 19, float64), checked by `onnx.checker`.

    Of a fit of a table each column is an input `[rows, 1]` by its name: numbers as float64 (missing: NaN), text as strings
    (missing: an empty one), booleans as bool, dates as int64, microseconds since 1970. A fit of arrays has one input, `x`.
    Outputs are `prediction`, as `predict` has it; or `label` and `probabilities` `[rows, k]` in the order of `schema.classes`,
    of a loss without probabilities `decision`. A level that the fit had not seen, or a missing value that nothing stands
    in for, makes them NaN (a label of text is then empty).

    Args:
        path: a file; one of that name is replaced, once the new one is whole.

    Returns:
        The path.

    Raises:
        FitError: the fit has something that ONNX cannot express, or a layer that is not known here. SpecError: onnx is missing.
        RunError: the file cannot be written.

    Example:
        >>> import tempfile, onnx
        >>> from steepest.fitting import fit
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     line = fit({"size": [1.0, 2.0, 3.0], "price": [2.0, 4.0, 6.5]}, target="price")
        ...     model = onnx.load(to_onnx(line, f"{folder}/line.onnx"))
        >>> [one.name for one in model.graph.input], [one.name for one in model.graph.output]
        (['size'], ['prediction'])
    """
    inner = fit.inner
    graph = Graph()
    columns = Columns(graph, inner)
    x = columns.features()
    decision = _linear(graph, inner.terms, inner.theta, x) if inner.terms is not None else _network(graph, inner, x)
    for name in inner.schema.added:
        decision = decision + columns.added(name, getattr(inner.spec, name))
    decision = columns.checked(decision)
    if inner.schema.classes is None:
        _numbers(graph, inner, decision)
    else:
        _classes(graph, inner, decision)
    model = graph.model("fit", f"{fit.model_name}, {fit.loss_function}, of {', '.join(fit.schema.targets)}")
    write_file(path, model.SerializeToString())
    return Path(path)


def _linear(graph: Graph, terms: Terms, theta: np.ndarray, x: Any) -> Any:
    """A·Θᵀ, `[n, k]`."""
    coefficients = theta.reshape(-1, len(terms.powers)).T
    if terms.centre:
        x = x - np.array([terms.centre])
    before: dict[tuple[int, ...], int] = {(i,): i for i in range(len(terms.columns))}
    blocks = [x]
    for degree in range(2, terms.degree + 1):
        new = [term for term in terms.powers if len(term) == degree]
        blocks.append(blocks[-1].columns([before[term[:-1]] for term in new]) * x.columns([term[-1] for term in new]))
        before = {term: place for place, term in enumerate(new)}
    design = graph.side_by_side(blocks)
    free = int(terms.intercept)
    found = np.matmul(design, np.ascontiguousarray(coefficients[free:]))
    return found + coefficients[:1] if free else found


def _numbers(graph: Graph, fit: Fit, decision: Any) -> None:
    family = getattr(fit.loss_function, "family", None)
    found = decision if family is None else family.mean(decision)
    targets = len(fit.schema.targets)
    shape = ["rows"] if targets == 1 else ["rows", targets]
    if targets == 1:
        found = graph.node("Squeeze", found, np.array([1]))
    graph.output(found, "prediction", shape, ", ".join(fit.schema.targets))


def _classes(graph: Graph, fit: Fit, decision: Any) -> None:
    loss, labels = fit.loss_function, fit.schema.labels
    if getattr(loss, "probabilities", False):  # of the second class, by the module itself
        decision = np.log(decision) - np.log1p(-decision)
    if loss.coupled or _outputs(fit) > 1:
        codes = graph.node("ArgMax", decision, kind=np.int64, axis=1, keepdims=0)
        shares = graph.node("Softmax", decision, axis=1)
    else:
        codes = graph.node("Squeeze", (decision > 0.0).astype(np.int64), np.array([1]), kind=np.int64)
        share = getattr(loss, "share", None) or sigmoid
        shares = graph.side_by_side([share(-decision), share(decision)]) if has_probabilities(loss) else decision
    text = labels.dtype == object
    label = graph.node("Gather", labels, codes, kind=str if text else labels.dtype)
    if text:
        unknown = graph.node("Squeeze", np.isnan(decision.columns([0])), np.array([1]), kind=bool)
        label = np.where(unknown, "", label)
    graph.output(label, "label", ["rows"], fit.schema.targets[0])
    if has_probabilities(loss) or _outputs(fit) > 1:
        graph.output(shares, "probabilities", ["rows", len(labels)], ", ".join(map(str, labels)))
    else:
        graph.output(decision, "decision", ["rows", 1], f"above 0: {labels[1]}")


def _outputs(fit: Fit) -> int:
    """How many numbers the model gives for a row."""
    if fit.terms is not None:
        return len(fit.theta) // len(fit.terms.powers)
    return len(fit.schema.classes or ()) if fit.loss_function.coupled else 1


# ---- modules -------------------------------------------------------------------------------------


def _network(graph: Graph, fit: Fit, x: Any) -> Any:
    """A module, layer by layer."""
    if fit.train is not None and fit.train.x.ndim > 2:
        raise FitError("The rows of this fit are no columns. Write its module: torch.onnx.export(fit.module, …).")
    return _layer(graph, with_parameters(module_of(fit), fit.theta).double(), x)


def _layer(graph: Graph, layer: Any, x: Any) -> Any:
    from steepest.model.wrapped_modules import Scaled  # which imports PyTorch

    kinds: dict[Any, Callable[[Any, Any], Any]] = {
        nn.Sequential: lambda one, x: _chain(graph, one, x),
        Scaled: lambda one, x: (
            _layer(graph, one.module, (x - _array(one.mean)) / _array(one.scale)) * _array(one.gain) + _array(one.shift)
        ),
        nn.Linear: _affine,
        nn.BatchNorm1d: _batch_norm,
        nn.ReLU: lambda one, x: np.maximum(x, 0.0),
        nn.LeakyReLU: lambda one, x: np.where(x > 0.0, x, one.negative_slope * x),
        nn.ELU: lambda one, x: np.where(x > 0.0, x, one.alpha * (np.exp(np.minimum(x, 0.0)) - 1.0)),
        nn.Tanh: lambda one, x: np.tanh(x),
        nn.Sigmoid: lambda one, x: graph.node("Sigmoid", x),
        nn.SiLU: lambda one, x: x * graph.node("Sigmoid", x),
        nn.Softplus: lambda one, x: np.log(1.0 + np.exp(-np.abs(one.beta * x))) / one.beta + np.maximum(x, 0.0),
        nn.Identity: lambda one, x: x,
        nn.Dropout: lambda one, x: x,
        nn.Flatten: lambda one, x: x,
    }
    if type(layer) not in kinds:
        known = ", ".join(sorted(kind.__name__ for kind in kinds if kind is not Scaled))
        raise FitError(
            f"The module has a {type(layer).__name__}, and to_onnx knows {known}. Write it with PyTorch's own, without the "
            "columns: torch.onnx.export(fit.module, …)."
        )
    return kinds[type(layer)](layer, x)


def _chain(graph: Graph, layers: Any, x: Any) -> Any:
    for layer in layers:
        x = _layer(graph, layer, x)
    return x


def _array(tensor: Any) -> np.ndarray:
    return np.atleast_1d(tensor.detach().cpu().numpy())


def _affine(layer: Any, x: Any) -> Any:
    found = np.matmul(x, np.ascontiguousarray(_array(layer.weight).T))
    return found if layer.bias is None else found + _array(layer.bias)


def _batch_norm(layer: Any, x: Any) -> Any:
    if layer.running_mean is None:
        raise FitError(
            "The module has a BatchNorm1d without running statistics, whose predictions depend on the other rows."
        )
    found = (x - _array(layer.running_mean)) / np.sqrt(_array(layer.running_var) + layer.eps)
    return found if layer.weight is None else found * _array(layer.weight) + _array(layer.bias)
