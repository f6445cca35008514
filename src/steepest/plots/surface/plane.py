"""Planes through the space of θ, on which a loss of many parameters can be drawn.

    θ(a, b) = origin + a·u + b·v        in coordinates c, θ = M·c  (M = I: user units)

    named       two parameters; the others stay at the end of the descent
    path        the two principal components of the path: the plane that shows most of it
    hessian     the two directions in which the valley is steepest, about the optimum
    random      two random directions, each filter as long as the network's own (Li et al. 2018)

A path is projected onto a plane at right angles in c. What that hides is said: `explained` is the share of the path's
variance that the plane shows, 1 where the picture is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steepest.analysis import curvature
from steepest.data.thinning import along
from steepest.errors import SpecError
from steepest.lazy import torch
from steepest.model import preconditioners
from steepest.model.of_fit import module_objective
from steepest.numerics.hessians import products
from steepest.numerics.lanczos import leading
from steepest.plots.drawn import all_rows, drawable, exact_theta, linear, places_of, recorded, training
from steepest.result import Fit

PLANES = ("path", "hessian", "random")
COORDINATES = ("user", "descent")
STRAIGHT = 1e-6  # second over first singular value of a path, below which it is a straight line
EQUAL_STEPS = 500
"""Steps of each path that decide on their common plane, so that a long descent does not outweigh a short one."""


@dataclass(frozen=True)
class Coordinates:
    """Coordinates θ = M·c. matrix: `[p, r]`. names: of the entries of c."""

    matrix: np.ndarray
    names: tuple[str, ...]
    user: bool

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., r]` → θ `[..., p]`."""
        return c if self.user else c @ self.matrix.T

    def from_user(self, theta: np.ndarray) -> np.ndarray:
        """θ `[..., p]` → c `[..., r]`, the nearest one where directions were left out."""
        if self.user:
            return theta
        flat = theta.reshape(-1, theta.shape[-1])
        return np.linalg.lstsq(self.matrix, flat.T, rcond=None)[0].T.reshape(*theta.shape[:-1], -1)


def coordinates_of(fit: Fit, coordinates: str = "user") -> Coordinates:
    """User units, or the coordinates that the descent itself went down in.

    Raises SpecError for another word. A module has no coordinates but its own.
    """
    if coordinates not in COORDINATES:
        raise SpecError(f"coordinates={coordinates!r} is not known. Known: {', '.join(COORDINATES)}.")
    same = Coordinates(np.eye(0), tuple(fit.names), True)
    if coordinates == "user" or fit.terms is None or fit.precondition not in ("standardize", "orthonormal"):
        return same
    problem = linear(fit)
    if problem is None or not all_rows(fit):
        raise SpecError("The run of this fit kept a part of its rows only; its own coordinates need all. Fit again.")
    if fit.precondition == "standardize":
        matrix = preconditioners.standardised(problem).matrix
        names = tuple(f"{name} (standardised)" for name in fit.names)
    else:
        matrix = preconditioners.orthonormal(problem).matrix
        names = tuple(f"direction {i + 1}" for i in range(matrix.shape[1] * problem.outputs))
    return Coordinates(np.kron(np.eye(problem.outputs), matrix), names, False)


@dataclass(frozen=True)
class Plane:
    """origin, u, v: `[r]` in those coordinates. labels: of a and b. exact: every θ lies in it."""

    coordinates: Coordinates
    origin: np.ndarray
    u: np.ndarray
    v: np.ndarray
    labels: tuple[str, str]
    kind: str
    exact: bool = False

    def theta(self, place: np.ndarray) -> np.ndarray:
        """(a, b) `[..., 2]` → θ `[..., p]` in user units."""
        return self.coordinates.to_user(self.origin + place @ np.stack([self.u, self.v]))

    def project(self, theta: np.ndarray) -> np.ndarray:
        """θ `[..., p]` → (a, b) `[..., 2]`, at right angles in the plane's coordinates."""
        return (self.coordinates.from_user(theta) - self.origin) @ np.linalg.pinv(np.stack([self.u, self.v]))

    def explained(self, path: np.ndarray) -> float:
        """The share of a path's variance that is seen on the plane, 0 … 1; 1 for a path that does not move."""
        if self.exact:
            return 1.0
        c = self.coordinates.from_user(path)
        whole = np.square(c - c.mean(0)).sum()
        shown = self.project(path) @ np.stack([self.u, self.v])
        return float(np.square(shown - shown.mean(0)).sum() / whole) if whole > 0 else 1.0


def plane(
    fit: Fit,
    kind: str | Sequence[str] | None = None,
    also: Sequence[Fit] = (),
    coordinates: str = "user",
    seed: int = 0,
) -> Plane:
    """The plane for a fit, shared with others of the same parameters.

    Args:
        kind: two names of parameters, `path`, `hessian` or `random` (see the module's text); None is the two
            parameters where there are just two, else `path`.
        coordinates: `user`, or `descent`: the descent's own.
        seed: of random directions.

    Raises:
        SpecError: an unknown kind or name, one parameter only, or a loss without curvature for `hessian`.
    """
    space = coordinates_of(fit, coordinates)
    size = len(space.names)
    if size < 2:
        raise SpecError(f"A surface needs two parameters, and this fit has one ({fit.names[0]!r}). Use loss_curve().")
    if kind is None:
        kind = space.names if size == 2 else "path"
    if not isinstance(kind, str):
        return _named(fit, tuple(kind), space)
    if kind not in PLANES:
        raise SpecError(f"plane={kind!r} is not known. Known: two names of parameters, {', '.join(PLANES)}.")
    if kind == "path":
        return _principal([fit, *also], space)
    if kind == "random":
        return _random(fit, space, seed)
    return _hessian(fit, space)


def _named(fit: Fit, names: tuple[str, ...], coordinates: Coordinates) -> Plane:
    u, v = np.eye(len(coordinates.names))[places_of(names, coordinates.names, "plane=", 2)]
    origin = coordinates.from_user(fit.theta) * (1 - u - v)
    return Plane(
        coordinates, origin, u, v, (names[0], names[1]), "named", exact=len(coordinates.names) == 2 and coordinates.user
    )


def _principal(fits: Sequence[Fit], coordinates: Coordinates) -> Plane:
    paths = []
    for each in fits:
        path = recorded(each)[drawable(recorded(each))]
        path = coordinates.from_user(path if len(path) else np.zeros((1, len(each.names))))
        paths.append(path[along(path, np.arange(len(path)), EQUAL_STEPS)])
    points = np.concatenate(paths)
    centre = points.mean(0)
    _, sizes, directions = np.linalg.svd(points - centre, full_matrices=False)
    if len(sizes) < 2 or sizes[1] <= STRAIGHT * sizes[0]:
        return _along_a_line(fits[0], coordinates, points, directions[0])
    directions = directions[:2]
    # a direction has no sign of its own: the path runs from left to right and from bottom to top
    way = np.sign((points[-1] - points[0]) @ directions.T)
    directions = directions * np.where(way == 0, 1.0, way)[:, None]
    labels = [f"component {i + 1} ({100 * share:.3g}%)" for i, share in enumerate(sizes[:2] ** 2 / (sizes**2).sum())]
    return Plane(coordinates, centre, directions[0], directions[1], (labels[0], labels[1]), "path")


def _along_a_line(fit: Fit, coordinates: Coordinates, points: np.ndarray, along_it: np.ndarray) -> Plane:
    """A path straight to its end fills no plane: one direction is its own, the other one across the valley.

    That is taken at right angles in an orthonormal basis of the design, where the valley of the linear family is round:
    at right angles in user units it may be a thousand times steeper than the path.
    """
    moved = points[-1] - points[0]
    length = float(np.linalg.norm(moved))
    u = moved / length if length > 0 else along_it
    problem = linear(fit) if coordinates.user else None
    matrix = np.eye(len(u))
    if problem is not None:
        matrix = np.kron(np.eye(problem.outputs), preconditioners.orthonormal(problem).matrix)
    own = np.linalg.lstsq(matrix, u, rcond=None)[0]
    size = float(np.linalg.norm(own))
    if len(own) < 2 or not size > 0:
        matrix, own, size = np.eye(len(u)), u, 1.0
    across = np.eye(len(own))[int(np.argmin(np.abs(own)))]
    across = across - own * (own @ across) / size**2
    v = matrix @ across * (size / np.linalg.norm(across))
    return Plane(coordinates, points.mean(0), u, v, ("along the path", "across the path"), "path")


def _random(fit: Fit, coordinates: Coordinates, seed: int) -> Plane:
    """Random directions, each row of a weight matrix (each filter) scaled to the length of the fit's; biases stay."""
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((2, len(fit.theta)))
    if fit.network is None:
        directions *= np.abs(fit.theta)
    else:
        start = 0
        for parameter in (p for p in fit.network.parameters() if p.requires_grad):
            part = slice(start, start := start + parameter.numel())
            rows = parameter.shape[0] if parameter.ndim > 1 else 1
            own = np.linalg.norm(fit.theta[part].reshape(rows, -1), axis=1)
            drawn = directions[:, part].reshape(2, rows, -1)
            scaled = drawn * (own / np.linalg.norm(drawn, axis=2))[..., None]
            directions[:, part] = scaled.reshape(2, -1) if parameter.ndim > 1 else 0.0
    u, v = coordinates.from_user(directions)
    return Plane(
        coordinates, coordinates.from_user(fit.theta), u, v, ("random direction 1", "random direction 2"), "random"
    )


def _hessian(fit: Fit, coordinates: Coordinates) -> Plane:
    best = exact_theta(fit)
    centre = fit.theta if best is None else best
    problem = linear(fit)
    if problem is not None:
        values, vectors = curvature.leading_eigenvalues(problem, centre, 2)
    else:
        values, vectors = _module_curvature(fit, centre)
    u, v = coordinates.from_user(vectors.T)
    labels = [f"curvature {value:.3g}" for value in values]
    return Plane(coordinates, coordinates.from_user(centre), u, v, (labels[0], labels[1]), "hessian")


def _module_curvature(fit: Fit, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of a module's Hessian, falling, and their vectors."""
    objective = module_objective(fit, training(fit))
    objective.module.eval()
    product = products(lambda place: objective.mean_at(place) + objective.penalty(place), torch.as_tensor(theta))[2]
    values, vectors = leading(product, len(theta), 2, tolerance=1e-6)
    return values[::-1], vectors[:, ::-1]
