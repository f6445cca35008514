"""The last steps of `fit.to_sklearn()`: estimators of scikit-learn's with a fit's coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.errors import FitError
from steepest.formulas.losses import sigmoid
from steepest.lazy import nn
from steepest.model.linear import Terms
from steepest.model.of_fit import module_of
from steepest.model.prediction import with_parameters
from steepest.result import Fit

Steps = list[tuple[str, Any]]

NO_NETWORK = (
    "Of modules scikit-learn has multilayer perceptrons: Linear layers with one activation, ReLU, Tanh or Sigmoid, between "
    "them. Use fit.to_onnx(path)."
)


def with_model(fit: Fit, steps: Steps, table: Any) -> Steps:
    """The steps that lead to features, and those that make predictions of them. table: a few rows made up for the first."""
    features = _through(steps, table)
    if fit.terms is None:
        layers, activation, ahead = _layers(fit)
        return [*steps, *ahead, ("model", _perceptron(fit, _through([*steps, *ahead], table), layers, activation))]
    steps = [*steps, *_terms(fit.terms, features.shape[1])]
    return [*steps, ("model", _linear(fit, _through(steps, table)))]


def scaler(mean: np.ndarray, scale: np.ndarray) -> Any:
    """(x − mean)/scale."""
    from sklearn.preprocessing import StandardScaler

    made = StandardScaler().fit(np.stack([mean, mean + 1.0]))
    made.mean_, made.scale_, made.var_ = mean, scale, scale**2
    return made


def _through(steps: Steps, table: Any) -> np.ndarray:
    """What the steps make of the rows; they are fitted on the way."""
    for _, step in steps:
        fitted = getattr(step, "mean_", None) is not None
        table = step.transform(table) if fitted else step.fit_transform(table)
    return np.asarray(table, dtype=np.float64)


def _terms(terms: Terms, wide: int) -> Steps:
    from sklearn.preprocessing import PolynomialFeatures

    centre = [("centre", scaler(np.array(terms.centre), np.ones(wide)))] if terms.centre else []
    if terms.degree == 1:
        return centre
    return [*centre, ("terms", PolynomialFeatures(terms.degree, include_bias=False))]


def _sample(fit: Fit, rows: int) -> np.ndarray:
    """Targets made up for so many rows: each class, or positive numbers."""
    labels = _labels(fit)
    if labels is not None:
        return np.unique(labels)[np.arange(rows) % len(labels)]
    shape = (rows,) if len(fit.schema.targets) == 1 else (rows, len(fit.schema.targets))
    return np.random.default_rng(0).uniform(1.0, 2.0, size=shape)


def _labels(fit: Fit) -> np.ndarray | None:
    """The classes, text as text."""
    if fit.schema.classes is None:
        return None
    labels = fit.schema.labels
    return labels.astype(str) if labels.dtype == object else labels


# ---- linear models -------------------------------------------------------------------------------


def _linear(fit: Fit, design: np.ndarray) -> Any:
    terms, loss = fit.terms, fit.loss_function
    assert terms is not None
    theta = fit.theta.reshape(-1, len(terms.powers))
    slopes, free = (theta[:, 1:], theta[:, 0]) if terms.intercept else (theta, np.zeros(len(theta)))
    made = _kind(fit).fit(design, _sample(fit, len(design)))
    labels = _labels(fit)
    if labels is None:
        one = len(theta) == 1
        made.coef_, made.intercept_ = (slopes[0].copy(), float(free[0])) if one else (slopes.copy(), free.copy())
        return made
    if len(labels) == 2 and loss.coupled:  # log-odds of the second class
        slopes, free = slopes[1:] - slopes[:1], free[1:] - free[:1]
    order = np.argsort(labels, kind="stable")
    if len(labels) > 2:
        slopes, free = slopes[order], free[order]
    elif order[0]:
        slopes, free = -slopes, -free
    made.coef_, made.intercept_ = np.ascontiguousarray(slopes), np.array(free)
    return made


def _kind(fit: Fit) -> Any:
    """The estimator that makes of linear predictions what the loss does, not yet fitted."""
    from sklearn import linear_model, svm

    loss, terms = fit.loss_function, fit.terms
    assert terms is not None
    family = getattr(loss, "family", None)
    if family is not None:
        if len(fit.schema.targets) > 1:
            raise FitError(
                f"scikit-learn has no estimator for several targets of loss {loss}. Fit one target at a time."
            )
        if not np.allclose(family.mean(np.array([-1.0, 0.0, 2.0])), np.exp([-1.0, 0.0, 2.0]), rtol=1e-12):
            raise FitError(f"scikit-learn has no estimator whose predictions are those of the link: {family.text}.")
        return linear_model.TweedieRegressor(power=1, link="log", fit_intercept=terms.intercept, max_iter=1)
    if fit.schema.classes is None:
        return linear_model.LinearRegression(fit_intercept=terms.intercept)
    if loss.choice is not None and loss.choice.link:
        raise FitError(f"scikit-learn has no estimator for loss {loss} with link {loss.choice.link}.")
    share, at = getattr(loss, "share", None), np.array([-3.0, 0.5])
    if loss.coupled or (share is not None and np.allclose(share(at), sigmoid(at))):
        return linear_model.LogisticRegression(fit_intercept=terms.intercept, max_iter=1)
    if share is not None:
        of_share: Any = linear_model.SGDClassifier
        return of_share(loss=loss.name, fit_intercept=terms.intercept, max_iter=1, tol=None)
    return svm.LinearSVC(fit_intercept=terms.intercept, max_iter=1)


# ---- multilayer perceptrons ----------------------------------------------------------------------


def _layers(fit: Fit) -> tuple[list[nn.Linear], str, Steps]:
    """The Linear layers, what is between them, and what comes before. FitError for any other module."""
    from steepest.model.wrapped_modules import Scaled  # which imports PyTorch

    module: Any = with_parameters(module_of(fit), fit.theta).double()
    ahead: Steps = []
    if isinstance(module, Scaled):
        mean, scale = module.mean.numpy(), module.scale.numpy()
        shift, gain, module = module.shift, module.gain, module.module
        ahead = [("scale", scaler(mean.copy(), scale.copy()))]
    else:
        shift, gain = None, None
    parts: list[Any] = [
        part for part in (module if isinstance(module, nn.Sequential) else [module]) if not _passes(part)
    ]
    layers, between = parts[::2], parts[1::2]
    names: dict[Any, str] = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "logistic"}
    kinds = {type(part) for part in between}
    alike = len(kinds) <= 1 and kinds <= set(names) and len(layers) == len(between) + 1
    images = fit.train is not None and fit.train.x.ndim > 2
    if images or not alike or not all(type(layer) is nn.Linear for layer in layers):
        raise FitError(NO_NETWORK)
    for layer in layers:
        if layer.bias is None:
            layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))
    if gain is not None and shift is not None:
        layers[-1].weight.data *= gain.reshape(-1, 1)
        layers[-1].bias.data = layers[-1].bias.data * gain + shift
    return layers, names[next(iter(kinds))] if kinds else "identity", ahead


def _passes(part: Any) -> bool:
    """Whether a layer does nothing to rows that are predicted."""
    return isinstance(part, nn.Identity | nn.Dropout) or (isinstance(part, nn.Flatten) and part.start_dim == 1)


def _perceptron(fit: Fit, design: np.ndarray, layers: Sequence[nn.Linear], activation: Any) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if getattr(fit.loss_function, "family", None) is not None or getattr(fit.loss_function, "probabilities", False):
        raise FitError(NO_NETWORK)
    labels = _labels(fit)
    widths = tuple(layer.out_features for layer in layers[:-1])
    kind = MLPRegressor if labels is None else MLPClassifier
    made = kind(hidden_layer_sizes=widths, activation=activation, max_iter=1).fit(design, _sample(fit, len(design)))
    weights = [layer.weight.detach().numpy().T.copy() for layer in layers]
    biases = [layer.bias.detach().numpy().copy() for layer in layers]
    if labels is not None:
        order = np.argsort(labels, kind="stable")
        if len(labels) == 2:
            if weights[-1].shape[1] == 2:
                weights[-1], biases[-1] = np.diff(weights[-1]), np.diff(biases[-1])
            sign = -1.0 if order[0] else 1.0
            weights[-1], biases[-1] = sign * weights[-1], sign * biases[-1]
        else:
            weights[-1], biases[-1] = weights[-1][:, order], biases[-1][order]
    made.coefs_, made.intercepts_ = weights, biases
    return made
