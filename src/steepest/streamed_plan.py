"""The plan of a fit to a stream: Newton steps over passes for the default descent of a smooth loss, else minibatches."""

from __future__ import annotations

import numpy as np

from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.data.streams import Block
from steepest.data.windows import Parts, Windows
from steepest.descent.stream_newton import StreamNewton
from steepest.errors import SpecError
from steepest.lazy import torch
from steepest.model import centring
from steepest.model.linear import Terms
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.objective import parameter_names
from steepest.model.of_fit import targets
from steepest.model.penalties import penalty
from steepest.model.stream_basis import basis_of
from steepest.model.stream_objective import StreamObjective
from steepest.planned import Plan, by_newton, start_of
from steepest.settings import Spec
from steepest.settings_table import default_epochs

BATCH = 256
"""Rows of a batch where no other number is asked for."""

MOST = 1_000
"""Parameters up to which a pass adds up their curvature, of all outputs together."""


def by_passes(spec: Spec, loss: Loss) -> bool:
    """Whether a fit takes Newton steps, a pass or two each: the default descent of a smooth loss."""
    alone = spec.optimizer == "auto" and spec.lr == "auto" and spec.batch_size == "full" and spec.clip is None
    alone = alone and spec.averaging == "none"
    smooth = loss.quadratic or bool(loss.choice and loss.choice.concordance)
    plain = spec.precondition in ("auto", "orthonormal") and spec.device == "cpu"
    return alone and smooth and plain and not penalty(spec.penalty).l1


def takes_passes(spec: Spec, data: Dataset, loss: Loss, terms: Terms) -> bool:
    """Whether a fit to a stream takes Newton steps: its default descent, of so few parameters that their curvature is summed."""
    if data.stream is None or not by_passes(spec, loss):
        return False
    _, outputs = targets(data, loss)
    together = loss.coupled or loss.quadratic or outputs == 1
    return together and len(terms.powers) * (outputs if loss.coupled else 1) <= MOST


def batches_of(spec: Spec, data: Dataset, kind: str | None = None) -> Batching:
    """The batches of a fit: of a stream, which no step sees all of, 256 rows where nothing else is asked for."""
    if data.stream is None:
        return Batching.of(spec, data.rows, kind)
    if spec.shuffle not in ("rows", "none"):
        raise SpecError(
            f"shuffle={spec.shuffle!r} is for rows in memory, and these are read pass by pass. Use rows or none."
        )
    size = min(BATCH if spec.rows_of_step is None else spec.rows_of_step, data.of_rows)
    epochs = default_epochs(spec.epochs, spec.max_steps, "stream")
    return Batching(data.of_rows, size, spec.shuffle, spec.seed, epochs, spec.max_steps, pieces=spec.pieces)


def said_of(spec: Spec, data: Dataset, batching: Batching) -> tuple[str, ...]:
    """What is to be said of minibatches of a stream."""
    if data.stream is None:
        return ()
    size = f"Steps see {batching.size:,} rows each, as a pass over all of them at every step would take long. " * (
        spec.batch_size == "full"
    )
    return (f"{size}On the way the objective is that of {data.rows:,} of the rows; at the end it is that of all.",)


def linear_windows(data: Dataset, terms: Terms, objective: LinearObjective) -> Windows | None:
    """How the rows of a stream become batches of a linear objective, in its coordinates; None for rows in memory."""
    stream = data.stream
    if stream is None:
        return None
    matrix = None if objective.coordinates is None else objective.coordinates.matrix
    start = objective.origin.reshape(objective.outputs, -1).T if objective.offset is not None else None
    numbers = objective.basis.numpy().dtype

    plain = matrix is None and terms.degree == 1 and not terms.centre

    def columns(block: Block) -> Parts:
        nothing = np.empty((len(block.y), 0))
        y = block.y if objective.loss.coupled else block.y.astype(np.float64, copy=False)
        weights = nothing if block.weights is None else block.weights / stream.mean_weight
        if plain and start is None:
            return block.columns, y, weights, nothing
        design = block.x if plain else terms.design(block.x)
        offset = nothing if start is None else design @ start
        basis = design if matrix is None else design @ matrix
        return basis, y, weights, offset[:, 0] if offset.shape[1] == 1 else offset

    return Windows(stream, columns, numbers, int(terms.intercept) if plain else 0)


def module_windows(data: Dataset, dtype: torch.dtype) -> Windows | None:
    """How the rows of a stream become batches of a module; None for rows in memory."""
    stream = data.stream
    if stream is None:
        return None
    numbers = torch.empty(0, dtype=dtype).numpy().dtype

    def columns(block: Block) -> Parts:
        x, y, weights = block.columns, block.y, block.weights
        return (x, y) if weights is None else (x, y, weights / stream.mean_weight)

    return Windows(stream, columns, numbers)


def streamed(spec: Spec, data: Dataset, loss: Loss, plain: Terms, in_place: bool) -> Plan | None:
    """The plan of a default descent over a stream; None for all others. in_place: the columns as they are, which squares of
    them may be too near to one another for."""
    stream = data.stream
    if stream is None or not takes_passes(spec, data, loss, plain):
        return None
    _, outputs = targets(data, loss)
    of = penalty(spec.penalty)
    terms = plain if of or plain.degree == 1 else centring.centred(plain, data.x)
    labels = data.targets if data.classes is None or outputs != len(data.classes) else data.classes
    names, user_names = (parameter_names(one.names, outputs, labels) for one in (terms, plain))
    start = start_of(spec.init, spec.seed, terms, user_names)
    given = stream, data, terms, loss, of, names, start, outputs
    objective = StreamObjective(*given)
    if not in_place:
        objective = StreamObjective(*given, basis=basis_of(objective))
    known = {"loss": loss, "terms": terms, "names": names, "user_names": user_names}
    return by_newton(spec, objective, StreamNewton(objective), to_user=objective.to_user, **known)
