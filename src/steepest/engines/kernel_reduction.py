"""Gradients of less variance in machine code: what `descent/variance_reduction.py` says, of the sums over a batch.

by_table   saga: a panel's slopes less those that its rows had before, which they replace
finish     the rest: svrg's sum over the same rows at the snapshot, and the mean of all rows
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from steepest.engines.kernel_rows import Layout
from steepest.engines.kernel_rules import KINDS, State, StepKind
from steepest.formulas import updates
from steepest.formulas.rules import FORMULAS
from steepest.machine_code.instructions import Code, Number, Pointer

Slopes = Callable[[Number, Any, Pointer], None]


@dataclass(frozen=True)
class Reducing:
    """The gradients of one run. held `[k, r]` is room; table `[k, n]` has the slopes of all n rows; order says which row of it
    is where in the panels, None that they lie as there."""

    code: Code
    layout: Layout
    step: StepKind
    kind: Number
    state: State
    held: Pointer
    table: Pointer
    rows: Number
    order: Pointer | None

    @contextmanager
    def _each(self, keeps_rows: bool) -> Iterator[Any]:
        """What rules of this sort keep, where they are the run's; None where there are none."""
        known = [kind for kind in self.step.kinds if FORMULAS[KINDS[kind]].keeps] if self.step.reduced else []
        these = [kind for kind in known if FORMULAS[KINDS[kind]].keeps_rows == keeps_rows]
        if not these:
            yield None
            return
        (kind,) = these
        with self.code.only(self.kind, kind, self.step.kinds):
            yield self.state.kept(kind)

    def by_table(self, first: Number, many: Any, scores: Pointer) -> None:
        """Scores `[k, tile]` of `many` rows from `first` on become changes."""
        with self._each(keeps_rows=True) as kept:
            if kept is None:
                return
            with self.code.each(self.layout.outputs) as o, self.code.each(many) as i:
                place = first + i if self.order is None else self.order[first + i]
                own, table = scores + o * self.layout.tile, self.table + o * self.rows
                slope = own[i]
                own[i] = slope - table[place]
                table[place] = slope

    def finish(self, length: Number, sum_at: Callable[[Pointer, Pointer], Number]) -> None:
        """The gradient's sum over `length` rows becomes that of less variance. sum_at: fills such a sum at another θ."""
        grad, entries, code = self.state.grad, self.layout.outputs * self.layout.width, self.code
        rows = length.cast(grad.kind)
        with self._each(keeps_rows=False) as kept:
            if kept is not None:
                sum_at(kept["snapshot"], self.held)
                with code.each(entries) as e:
                    grad[e] = updates.less_varied(grad[e], self.held[e], rows * kept["mean"][e])
        with self._each(keeps_rows=True) as kept:
            if kept is not None:
                share = (1.0 / self.rows.cast(grad.kind)).cast(grad.kind)
                with code.each(entries) as e:
                    change = grad[e]
                    grad[e] = change + rows * kept["mean"][e]
                    kept["mean"][e] += share * change
