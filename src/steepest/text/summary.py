"""A fit's coefficients with their errors, and the figures beside them, as tables of a terminal, a page and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from steepest.data.wording import number, plain
from steepest.errors import SteepestError
from steepest.text import scores
from steepest.text.document import Document, Table, Title, Words
from steepest.text.scores import not_shown, shown_parameters
from steepest.text.terminal import width_of

if TYPE_CHECKING:
    from steepest.inference.summary_table import Summary
    from steepest.result import Fit

PRECISIONS = ((10, 6, 5), (8, 5, 4), (6, 4, 4), (5, 3, 3), (4, 3, 3))
"""Digits of values, of errors and of statistics, tried in this order where the table is too wide."""

ALL = 13
"""Right digits of all values from which on it is not said how many they are."""

NAMED = 24
"""Letters of a coefficient's name for which digits are left out, where there is no room for both."""

QUICK = 2e9
"""Rows times the square of the coefficients up to which a fit that is shown is shown with its standard errors."""

MOST = 200
"""Coefficients that are shown of a long list."""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {sign: "\\" + sign for sign in "&%$#_{}"}


def document(summary: Summary, width: float = inf) -> Document:
    """What is shown of a summary: its coefficients first."""
    rows = range(min(len(summary.labels), MOST))
    more = len(summary.labels) - len(rows)
    rest = [f"Of {len(summary.labels):,} coefficients the first {len(rows)} are shown."] if more else []
    return Document(
        [
            Title(summary.title),
            coefficients(summary, rows, width),
            *map(Words, [*rest, *said(summary), *summary.contrasts]),
        ]
    )


def in_short(fit: Fit, summary: Summary | None, most: int, where: str, width: float = inf) -> tuple[Table, list[str]]:
    """The table of a fit's coefficients, at most about `most` of them, and the sentences below it.

    summary: the one that was asked for; None for the usual one, where that takes no time. where: what has all coefficients.
    """
    chosen = usual(fit) if summary is None else summary
    more = not_shown(fit, most, where)
    if chosen is None:
        return scores.coefficients(fit, most), more
    table = coefficients(chosen, shown_parameters(fit, most), width)
    if chosen.valid:
        return table, [*more, *said(chosen)]
    if summary is None and (fit.terms is None or (fit.loss_function.convex and not fit.status.arrived)):
        why = "the fit has not arrived at its optimum."
        return table, [
            *more,
            *([] if fit.terms is None else [f"Standard errors are not valid: {why}"]),
            *against(chosen),
        ]
    return table, [*more, *said(chosen)]


def usual(fit: Fit) -> Summary | None:
    """The summary of a fit whose rows are at hand, where it takes no time to speak of; else None."""
    rows = fit.kept_rows[0]
    if rows is None or rows.rows < fit.rows or fit.rows * len(fit.names) ** 2 > QUICK:
        return None
    try:
        return fit.summary()
    except SteepestError:  # what is wrong is for whoever asks for it
        return None


def said(summary: Summary) -> list[str]:
    """What is below the table: how the errors are meant, and the figures, in a line each."""
    return [*meant(summary), *figures(summary), *against(summary)]


def meant(summary: Summary) -> list[str]:
    """How the errors are meant, or why there are none."""
    if not summary.valid:
        return [f"Standard errors are not valid. {summary.reason}", *summary.notes]
    if summary.bootstrap is not None:
        kind, _, name = summary.cov.partition(":")
        drawn = f"whole groups of {plain(repr(name), 80)}" if kind == "cluster" else "the rows"
        return [f"Standard errors and BCa intervals: of resamples of {drawn}.", *summary.notes]
    law = (
        "normal"
        if summary.df is None
        else f"Student's t, {number(summary.df)} degree{'s' * (summary.df != 1)} of freedom"
    )
    return [f"Standard errors: {summary.cov}; p and intervals: {law}.", *summary.notes]


def coefficients(summary: Summary, rows: Sequence[int], width: float = inf) -> Table:
    """The table of some coefficients, with as many digits as the width has room for; the last one may stand apart,
    below dots."""
    for precision in PRECISIONS:
        table = _coefficients(summary, rows, *precision)
        names = max((cell_len(plain(row[0], 80)) for row in table.rows), default=0)
        if width_of(table) - max(0, names - NAMED) <= width:  # longer names are folded
            break
    return table


def _coefficients(summary: Summary, rows: Sequence[int], digits: int, of_error: int, of_statistic: int) -> Table:
    columns = {name: summary.coefficients.column(name).to_pylist() for name in summary.coefficients.column_names}
    known = [found for found in columns["digits"] if found is not None]
    partly = bool(known) and min(known) < ALL
    statistic = "z" if summary.df is None else "t"
    level = f"{number(100 * summary.level)}%"
    heads = ["parameter", "value", *(["digits"] if partly and summary.valid else [])]
    if summary.valid:
        heads += ["std error", *([] if _untested(columns) else [statistic, "p"]), f"{level} low", "high"]
    elif known:
        heads += ["exact", "difference"]
    cells = []
    for at, i in enumerate(rows):
        if at and i > rows[at - 1] + 1:
            cells.append(["…"] + [""] * (len(heads) - 1))
        row = [plain(summary.labels[i], 80), number(columns["value"][i], digits)]
        if partly and summary.valid:
            row.append("–" if columns["digits"][i] is None else f"{columns['digits'][i]:.1f}")
        if summary.valid:
            row.append(number(columns["std_error"][i], of_error))
            if not _untested(columns):
                row += [number(columns["statistic"][i], of_statistic), probability(columns["p_value"][i])]
            row += [number(columns[end][i], of_error) for end in ("low", "high")]
        elif known:
            off = columns["value"][i] - columns["exact"][i]
            row += [number(columns["exact"][i], digits), f"{off:+.1e}" if off else "0"]
        cells.append(row)
    return Table(heads, cells)


def _untested(columns: dict[str, list[Any]]) -> bool:
    return all(value is None for value in columns["statistic"])


def probability(value: float | None) -> str:
    """A probability in three digits; very small ones as `< 1e-99`.

    >>> probability(0.04567), probability(0.0), probability(None)
    ('0.0457', '< 1e-99', '–')
    """
    return "< 1e-99" if value is not None and value < 1e-99 else number(value, 3)


FIGURES = (
    ("R²", "r2", 4), ("adjusted", "r2_adjusted", 4), ("F", "f", 4), ("p", "f_p_value", 3), ("pseudo-R²", "pseudo_r2", 4),
    ("likelihood ratio", "likelihood_ratio", 4), ("p", "likelihood_ratio_p_value", 3), ("deviance", "deviance", 6),
    ("null deviance", "null_deviance", 6), ("Pearson χ²", "pearson_chi2", 6), ("dispersion", "dispersion", 6),
    ("log-likelihood", "log_likelihood", 6), ("AIC", "aic", 6), ("BIC", "bic", 6), ("condition", "condition", 3),
    ("Durbin–Watson", "durbin_watson", 3), ("Jarque–Bera", "jarque_bera", 3), ("p", "jarque_bera_p_value", 3),
    ("rows", "nobs", 8), ("degrees of freedom left", "df_residual", 6),
)  # fmt: skip


def figures(summary: Summary) -> list[str]:
    """The figures beside the coefficients, in one line for each target."""
    targets = dict.fromkeys(summary.coefficients.column("target").to_pylist()) if len(summary.figures) > 1 else [""]
    lines = []
    for target, one in zip(targets, summary.figures, strict=True):
        found = [
            f"{label} {probability(value) if label == 'p' else number(value, digits)}"
            for label, name, digits in FIGURES
            if (value := getattr(one, name)) is not None and value == value
        ]
        lines.append(f"{plain(target)}: {' · '.join(found)}" if target else " · ".join(found))
    return lines


def against(summary: Summary) -> list[str]:
    """The level of each text column that the others are compared with."""
    if not summary.levels:
        return []
    named = ", ".join(f"{plain(column)} {plain(repr(level))}" for column, level in summary.levels)
    return [f"Levels are compared with: {named}."]


def latex(summary: Summary) -> str:
    """The table of coefficients as LaTeX, for the package booktabs."""
    shown = _coefficients(summary, range(len(summary.labels)), *PRECISIONS[2])
    lines = [r"\begin{tabular}{l" + "r" * (len(shown.heads) - 1) + "}", r"\toprule", _row(shown.heads), r"\midrule"]
    lines += [*(_row([str(cell) for cell in row]) for row in shown.rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join("".join(SPECIAL.get(sign, sign) for sign in cell) for cell in cells) + r" \\"
