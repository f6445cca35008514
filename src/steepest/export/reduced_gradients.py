"""Gradients of less variance in code: what a script of svrg does before it takes a batch's gradient, and what becomes of that."""

from __future__ import annotations

from collections.abc import Callable

from steepest.errors import FitError
from steepest.export.case import Case
from steepest.export.sources import formula_text
from steepest.formulas import updates

Again = Callable[[list[str], str], list[str]]


def reduced_gradient(case: Case, variable: str, gradient: str, whole: str) -> tuple[Again, str]:
    """Lines by those that measure a batch and those that clear the gradient; the gradient to go by, "" for the batch's own.

    variable: what is moved. gradient: where its gradient lies. whole: the objective of all rows.

    Raises:
        FitError: a rule that keeps something of each row.
    """
    if case.formula is None or not case.formula.keeps or case.batch is None:
        return lambda measure, clear: [], ""
    if case.formula.keeps_rows:
        raise FitError(
            f"A script cannot write optimizer={case.rule!r} out: it keeps something of each row. Fit with optimizer='svrg'."
        )

    def again(measure: list[str], clear: str) -> list[str]:
        snapshot = [f"snapshot = {variable}.detach().clone()", f"value = {whole}", "value.backward()"]
        return [
            f"if step % {case.batching.steps_per_epoch} == 0:  # an epoch begins",
            *(f"    {line}" for line in (*snapshot, f"mean = {gradient}.clone()", clear)),
            f"here = {variable}.detach().clone()",
            "with torch.no_grad():",
            f"    {variable}.copy_(snapshot)",
            *measure,
            f"before = {gradient}.clone()",
            clear,
            "with torch.no_grad():",
            f"    {variable}.copy_(here)",
        ]

    return again, formula_text(updates.less_varied, {"g": gradient})[1]
