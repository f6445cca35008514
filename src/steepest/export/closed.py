"""The best possible answer without a descent: by a formula for `mse`, or by scikit-learn, beside where the fit ended.

scikit-learn's objectives in units of ours (n rows, m targets; A, B the penalty's weights):

    Ridge                ‖r‖² + α‖w‖²                         α = n·m·B
    Lasso, ElasticNet    ‖r‖²/(2n) + αρ‖w‖₁ + ½α(1−ρ)‖w‖²     for each target alone: αρ = m·A/2, α(1−ρ) = m·B
    LogisticRegression   C·Σℓ + ρ‖w‖₁ + ½(1−ρ)‖w‖²            C = 1/(n·(A + 2B)), ρ = A/(A + 2B)
    QuantileRegressor    mean pinball loss + α‖w‖₁             α = A; for l1, twice the pinball loss of ½, α = A/2

Its HuberRegressor fits a scale too, and so is another problem.
"""

from __future__ import annotations

from steepest.errors import SpecError
from steepest.export import linear, terms
from steepest.export.case import Case
from steepest.export.newton import frame
from steepest.export.python_text import Part, called, number
from steepest.export.rows import Rows


def parts(case: Case, found: Rows, style: str) -> list[Part]:
    """The parts up to θ; what is printed follows."""
    if not case.linear:
        raise SpecError(f"style={style!r} is for models that are linear in their parameters. Use 'loop' or 'module'.")
    y = found.target
    answer = _closed(case, y) if style == "closed" else _sklearn(case, y)
    begun = Part("Tensors", "", [*linear.tensors(case, y, ["A"]), "theta = torch.tensor(theta)"])
    ready = [frame(case)] if _powers(case) or (style == "closed" and not case.well_conditioned) else []
    return [found.part, *linear.design(case, found), *ready, answer, begun, terms.loss(case)]


def _powers(case: Case) -> bool:
    """Whether the columns are powers so high that scikit-learn would lose their digits; a penalty takes them as they are."""
    return case.terms.degree > 2 and not case.penalty


def beside(case: Case) -> Part:
    """Where the fit ended, against this answer."""
    fit = case.fit
    kind = "objective" if case.penalty else "loss"
    code = [f'print("{kind} of the fit", {number(fit.objective_value)})']
    said = f"For comparison: where the descent ended, after {fit.steps:,} steps."
    return Part("The descent", said, code)


def _closed(case: Case, y: str) -> Part:
    """Least squares by an orthogonal factorisation, never by an inverted AᵀA."""
    if not case.loss.quadratic or case.penalty.soft:
        what = f"loss {case.loss}" + (f" and penalty {case.spec.penalty}" if case.penalty else "")
        raise SpecError(
            f"style='closed' is for mse, alone or with an l2 penalty; this fit has {what}. Use 'scikit-learn'."
        )
    plain = case.well_conditioned
    matrix = "A" if plain else "B"
    code, stack, right = [], matrix, y
    share = "np.sqrt(weights / weights.sum())"
    if case.weighted:
        more = "[:, None]" if case.outputs > 1 else ""
        code = [f"root = {share}  # rows count by their weights"]
        stack, right = f"root[:, None] * {matrix}", f"root{more} * {y}"
    if case.penalty.l2:
        # F = mean of squares + λΣθ²: rows √(λ·m)·D·M below the others, each of which counts 1/n
        pull = f"np.sqrt({number(case.penalty.l2 * case.outputs)})"
        if not case.weighted:
            stack, right = f"{matrix} / np.sqrt(len(A))", f"{y} / np.sqrt(len(A))"
        free = "np.eye(A.shape[1])" if plain else "M"
        free += "[1:]" if case.terms.intercept else ""
        zeros = f"np.zeros((len(pull), {case.outputs}))" if case.outputs > 1 else "np.zeros(len(pull))"
        joined = "np.vstack" if case.outputs > 1 else "np.concatenate"
        code += [f"pull = {pull} * {free}  # the penalty as further rows"]
        code += [f"stack = np.vstack([{stack}, pull])", f"right = {joined}([{right}, {zeros}])"]
        stack, right = "stack", "right"
    answer = f"np.linalg.lstsq({stack}, {right}, rcond=None)[0]"
    turned = ".T" if case.outputs > 1 else ""
    if plain:
        code.append(f"theta = {answer}{turned}")
    else:
        code += [f"c = {answer}", f"theta = (M @ c){turned}" if turned else "theta = M @ c"]
    said = "Least squares need no descent: an orthogonal factorisation of the design solves them."
    return Part("The answer", said, code)


def _sklearn(case: Case, y: str) -> Part:
    intercept = case.terms.intercept
    name, *given = _estimator(case)
    matrix = "B" if _powers(case) else "A"
    x = f"{matrix}[:, 1:]" if intercept else matrix
    weights = ", sample_weight=weights" if case.weighted else ""
    ready = ["weights = weights / weights.mean()"] if case.weighted else []
    given += [] if intercept else ["fit_intercept=False"]
    code = [*ready, *called(f"model = {name}(", *given), f"model.fit({x}, {y}{weights})"]
    several = case.outputs > 1 or case.loss.coupled
    coefficients = "model.coef_[0]" if case.loss.classes and not several else "model.coef_"
    if intercept:
        opening, closing = ("np.column_stack([", "])") if several else ("np.append(", ")")
        coefficients = f"{opening}model.intercept_, {coefficients}{closing}"
    code.append(f"theta = {coefficients}")
    if _powers(case):
        code.append("theta = M @ theta" if case.outputs == 1 else "theta = theta @ M.T")
    said = f"The same optimum by scikit-learn{', the penalty in its own units' if case.penalty else ''}."
    return Part("The answer", said, code, frozenset({f"from sklearn.linear_model import {name}"}))


def _estimator(case: Case) -> tuple[str, ...]:
    """The name of a class of sklearn.linear_model, and its arguments."""
    if case.added:
        raise SpecError("scikit-learn's estimators take no offset. Use style 'loop'.")
    n, m, a, b = case.train.rows, case.outputs, case.penalty.l1, case.penalty.l2
    loss, fine = case.loss, ("tol=1e-14", "max_iter=1_000_000")
    if loss.choice is not None and loss.choice.no_estimator:
        raise SpecError(f"{loss.choice.no_estimator} Use style 'loop'.")
    if loss.quadratic and not case.penalty:
        return ("LinearRegression",)
    if loss.quadratic and not a:
        return "Ridge", f"alpha={number(n * m * b)}", 'solver="svd"'
    if loss.quadratic and not b:
        return "Lasso", f"alpha={number(m * a / 2)}", *fine
    if loss.quadratic:
        alpha = m * (a / 2 + b)
        return "ElasticNet", f"alpha={number(alpha)}", f"l1_ratio={number(m * a / 2 / alpha)}", *fine
    if loss.classes:
        c = f"C={number(1 / (n * (a + 2 * b)))}" if case.penalty else "C=np.inf"
        if not a:
            return "LogisticRegression", c, 'solver="newton-cholesky"', "tol=1e-12"
        ratio = f"l1_ratio={number(a / (a + 2 * b))}"
        return "LogisticRegression", c, ratio, 'solver="saga"', "tol=1e-12", "max_iter=100_000"
    if loss.choice is not None and loss.choice.estimator and not a:
        power = [f"power={number(loss.number)}", 'link="log"'] if loss.numbers else []
        return loss.choice.estimator, *power, f"alpha={number(2 * b)}", 'solver="newton-cholesky"', "tol=1e-12"
    if loss.pieces is not None and not b:
        low, high = loss.pieces
        scale = high - low  # of the pinball loss of the level high / scale
        return "QuantileRegressor", f"quantile={number(high / scale)}", f"alpha={number(a / scale)}"
    what = f"loss {loss}" + (f" with penalty {case.spec.penalty}" if case.penalty else "")
    raise SpecError(f"scikit-learn has no estimator for {what}. Use style 'loop'.")
