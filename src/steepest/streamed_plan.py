"""The plan of a fit to a stream: Newton steps over passes for the default descent of a smooth loss, else minibatches."""

from __future__ import annotations

from steepest.data.dataset import Dataset
from steepest.descent.stream_newton import StreamNewton
from steepest.model import centring
from steepest.model.linear import Terms
from steepest.model.loss import Loss
from steepest.model.objective import parameter_names
from steepest.model.of_fit import targets
from steepest.model.penalties import penalty
from steepest.model.stream_basis import basis_of
from steepest.model.stream_objective import StreamObjective
from steepest.planned import Plan, by_newton, start_of
from steepest.settings import Spec

MOST = 1_000
"""Parameters up to which a pass adds up their curvature, of all outputs together."""


def by_passes(spec: Spec, loss: Loss) -> bool:
    """Whether a fit takes Newton steps, a pass or two each: the default descent of a smooth loss."""
    alone = spec.optimizer == "auto" and spec.lr == "auto" and spec.batch_size == "full" and spec.clip is None
    smooth = loss.quadratic or bool(loss.choice and loss.choice.concordance)
    plain = spec.precondition in ("auto", "orthonormal") and (spec.dtype, spec.device) == ("float64", "cpu")
    return alone and smooth and plain and not penalty(spec.penalty).l1


def streamed(spec: Spec, data: Dataset, loss: Loss, plain: Terms, in_place: bool) -> Plan | None:
    """The plan of a default descent over a stream; None for all others. in_place: the columns as they are, which squares of
    them may be too near to one another for."""
    stream = data.stream
    if stream is None or not by_passes(spec, loss):
        return None
    _, outputs = targets(data, loss)
    if len(plain.powers) * (outputs if loss.coupled else 1) > MOST:
        return None
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
