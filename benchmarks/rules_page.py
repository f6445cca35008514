"""What the study of rules found: docs/rules.md below its mark, and its pictures, light and dark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

DOCS = Path(__file__).parents[1] / "docs"
MARK = "<!-- from here on written by benchmarks/rules.py -->\n"
GOALS = ("1e-2", "1e-4", "1e-6")
BUDGETS = {"0": "no trial", "auto": 'lr="auto"', "5": "5 trials", "50": "50 trials"}
RATE_FREE = ("dog", "dowg", "prodigy", "dadapt_adam", "cocob", "polyak_level")
SHOWN = {
    "sgd": ("#0072B2", "-"), "momentum": ("#D55E00", "-"), "adam": ("#009E73", "-"), "schedule_free_sgd": ("#0072B2", "--"),
    "dog": ("#CC79A7", "-"), "prodigy": ("#CC79A7", "--"), "polyak_level": ("#8C6239", "-"),
}  # fmt: skip
"""The rules that have a colour of their own in the picture, which colour-blind readers tell apart by their dashes too."""

Studied = dict[str, Any]


def write(folder: Path) -> None:
    """Write the page and the pictures of what was measured."""
    studied = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    page = DOCS / "rules.md"
    before = page.read_text(encoding="utf-8").partition(MARK)[0]
    page.write_text(before + MARK + "\n" + "\n".join(sections(studied)), encoding="utf-8")
    for theme in ("light", "dark"):
        draw(studied, theme, DOCS / f"rules_study-{theme}.png")


# ---- numbers ---------------------------------------------------------------------------------------


def steps_to(one: Studied, rule: str, budget: str, goal: int) -> float:
    """The median over the seeds of the steps to a goal; inf where half of them never reach it."""
    steps = [np.inf if each[goal] is None else float(each[goal]) for each in one["rules"][rule][budget]["steps"]]
    return float(np.quantile(steps, 0.5, method="higher"))


def gap_of(one: Studied, rule: str, budget: str) -> float:
    """The median over the seeds of the relative gap in the end; inf where half of them diverge."""
    gaps = [np.inf if gap is None else max(gap, 1e-16) for gap in one["rules"][rule][budget]["gap"]]
    return float(np.quantile(gaps, 0.5, method="higher"))


def profile(times: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """The share of problems that each solver solves within a ratio of the fastest's time: `[solvers, ratios]`.

    times: `[problems, solvers]`, inf where one does not solve it. A problem that nobody solves counts for none of them.
    Dolan and Moré, Benchmarking optimization software with performance profiles (2002).
    """
    best = times.min(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        ratio = np.where(np.isfinite(times), np.maximum(times, 1.0) / np.maximum(best, 1.0), np.inf)
    return (ratio[:, :, None] <= ratios).mean(0)


def times_of(studied: list[Studied], budget: str, goal: int) -> np.ndarray:
    """The median steps `[problems, rules]` to a goal."""
    return np.array([[steps_to(one, rule, budget, goal) for rule in one["rules"]] for one in studied])


# ---- the page --------------------------------------------------------------------------------------


def sections(studied: list[Studied]) -> list[str]:
    """The lines of the page below the mark."""
    seconds = sum(one["seconds"] for one in studied)
    head = [
        f"Measured on {len(studied)} of the 100 problems, {studied[0]['steps']} steps each, {studied[0]['seeds']} seeds; "
        f"{seconds / 60:,.0f} minutes of one core.",
        "",
    ]
    return [*head, *_ten(studied), *_reached(studied), *_gaps(studied), *_kinds(studied), *_distances(studied)]


def _ten(studied: list[Studied]) -> list[str]:
    """Ten lines with the numbers behind them, whatever those are."""
    rules = list(studied[0]["rules"])
    rated = [rule for rule in rules if rule not in RATE_FREE]

    def solved(rule: str, budget: str, goal: int = 0) -> float:
        return 100 * float(np.isfinite(times_of(studied, budget, goal)[:, rules.index(rule)]).mean())

    def middle(rule: str, budget: str, of: list[Studied] = studied) -> str:
        return _power(float(np.quantile([gap_of(one, rule, budget) for one in of], 0.5, method="higher")))

    def told(among: list[str], budget: str, goal: int, many: int = 3) -> str:
        best = sorted(among, key=lambda rule: -solved(rule, budget, goal))[:many]
        return ", ".join(f"`{rule}` {solved(rule, budget, goal):.0f}%" for rule in best)

    def at(rule: str, budget: str) -> str:
        return f"{solved(rule, budget):.0f}%"

    each = {budget: np.mean([solved(rule, budget) for rule in rated]) for budget in BUDGETS}
    kinked = [one for one in studied if _kinked(one)] or studied
    steps = {
        rule: np.quantile(times_of(studied, "50", 0)[:, rules.index(rule)], 0.5, method="higher") for rule in rules
    }
    auto, here = 'lr="auto"', studied[0]["steps"]
    return [
        "## In ten lines", "",
        '1. **Linear, logistic, softmax**: none of these. `optimizer="auto"` takes Newton steps to the last digits; all '
        "gaps here are measured to where they end.",
        f"2. **You do not want to choose a rate**: `{auto}`, which tries seven to fourteen rates for 200 steps. With it the "
        f"{len(rated)} rules that have a rate come to 1e-2 on {each['auto']:.0f}% of the problems; with five trials of your own "
        f"on {each['5']:.0f}%, with fifty on {each['50']:.0f}%, at the rate of their packages on {each['0']:.0f}%.",
        f"3. **At the rate that a package gives**: {told(rules, '0', 0)} come to 1e-2; `adam` at 1e-3 on {at('adam', '0')}, "
        f"`sgd` on {at('sgd', '0')}, in {here} steps.",
        f"4. **Fifty trials**: {told(rules, '50', 1, 4)} come to 1e-4; `sgd` {solved('sgd', '50', 1):.0f}%.",
        f"5. **Momentum or not**: tuned, `momentum` takes {steps['momentum']:.0f} steps to 1e-2, `nesterov` "
        f"{steps['nesterov']:.0f}, `sgd` {steps['sgd']:.0f}, `adam` {steps['adam']:.0f}.",
        f'6. **No rate at all**: `dog` with `averaging="tail:0.5"` comes to 1e-2 on {at("dog", "0")}, `dowg` on '
        f"{at('dowg', '0')}, `cocob` on {at('cocob', '0')}; `prodigy` on {at('prodigy', '0')} at a "
        f"constant rate and {at('prodigy', 'auto')} along a cosine, which `{auto}` gives it.",
        f"7. **No end in sight**, so that no schedule can be planned: `schedule_free_sgd`, {at('schedule_free_sgd', '0')} "
        f"at a rate of 1, {at('schedule_free_sgd', '50')} tuned.",
        f"8. **A kink in the loss**: the default again; by hand with `{auto}` `adagrad` ends at "
        f"{middle('adagrad', 'auto', kinked)}, `sgd` at {middle('sgd', 'auto', kinked)}, "
        f"`adam` at {middle('adam', 'auto', kinked)}.",
        f"9. **Sharpness-aware steps** (`sam`) look at each batch twice and end at {middle('sam', '50')}; `sgd` ends at "
        f"{middle('sgd', '50')}.",
        f"10. **Polyak's step** wants F\\*: estimated in minibatches, `polyak_level` ends at "
        f"{middle('polyak_level', '50')}, tuned. Give `polyak:F` the value if you have it.",
        "",
    ]  # fmt: skip


def _reached(studied: list[Studied]) -> list[str]:
    rules = list(studied[0]["rules"])
    lines = [
        "## How many problems are solved",
        "",
        "Percent of the problems whose median seed comes to a relative gap of 1e-2, 1e-4, 1e-6:",
        "",
    ]
    lines += ["| rule | " + " | ".join(BUDGETS.values()) + " |", "| --- |" + " ---: |" * len(BUDGETS)]
    solved = {budget: [np.isfinite(times_of(studied, budget, goal)).mean(0) for goal in range(3)] for budget in BUDGETS}
    order = sorted(range(len(rules)), key=lambda place: -solved["50"][1][place] - 0.01 * solved["0"][1][place])
    for place in order:
        cells = [", ".join(f"{100 * solved[budget][goal][place]:.0f}" for goal in range(3)) for budget in BUDGETS]
        lines.append(f"| `{rules[place]}` | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _gaps(studied: list[Studied]) -> list[str]:
    rules = list(studied[0]["rules"])
    lines = [
        "## How far they come",
        "",
        "The median over the problems of the relative gap in the end, and of the steps to 1e-2:",
        "",
    ]
    lines += ["| rule | " + " | ".join(BUDGETS.values()) + " |", "| --- |" + " ---: |" * len(BUDGETS)]
    for place, rule in enumerate(rules):
        cells = []
        for budget in BUDGETS:
            gap = float(np.quantile([gap_of(one, rule, budget) for one in studied], 0.5, method="higher"))
            steps = float(np.quantile(times_of(studied, budget, 0)[:, place], 0.5, method="higher"))
            cells.append(f"{_power(gap)}, {'never' if np.isinf(steps) else f'{steps:.0f}'}")
        lines.append(f"| `{rule}` | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _kinds(studied: list[Studied]) -> list[str]:
    kinds: dict[str, Callable[[Studied], bool]] = {
        "smooth, full batch": lambda one: one["problem"]["batch"] is None and not _kinked(one),
        "smooth, minibatches": lambda one: one["problem"]["batch"] is not None and not _kinked(one),
        "a kink (`l1`, `quantile`)": _kinked,
        "columns of one size": lambda one: one["problem"]["spread"] == 1.0,
        "columns of unlike sizes": lambda one: one["problem"]["spread"] == 10.0,
    }
    lines = ["## For which problem", "", "The three rules with the least median gap:", ""]
    lines += ["| problems | how many | no trial | 50 trials |", "| --- | ---: | --- | --- |"]
    for name, test in kinds.items():
        of = [one for one in studied if test(one)]
        if of:
            lines.append(f"| {name} | {len(of)} | {_first(of, '0')} | {_first(of, '50')} |")
    return [*lines, ""]


def _kinked(one: Studied) -> bool:
    return one["problem"]["loss"].partition(":")[0] in ("l1", "quantile")


def _first(of: list[Studied], budget: str) -> str:
    medians = {
        rule: float(np.quantile([gap_of(one, rule, budget) for one in of], 0.5, method="higher"))
        for rule in of[0]["rules"]
    }
    best = sorted(medians, key=lambda rule: medians[rule])[:3]
    return ", ".join(f"`{rule}` {_power(medians[rule])}" for rule in best)


def _distances(studied: list[Studied]) -> list[str]:
    lines = [
        "## What rules without a rate take for the distance", "",
        "Their estimate after all steps, over the true distance between start and optimum (for `dog` and `dowg` its length, for "
        "`prodigy` and `dadapt_adam` its largest entry):", "",
        "| rule | quarter of the problems below | median | quarter above |", "| --- | ---: | ---: | ---: |",
    ]  # fmt: skip
    for rule in studied[0]["distances"]:
        true = [one["distance"][0 if rule in ("dog", "dowg") else 1] for one in studied]
        ratios = [one["distances"][rule] / distance for one, distance in zip(studied, true, strict=True)]
        lines.append(
            f"| `{rule}` | " + " | ".join(f"{value:.2g}" for value in np.quantile(ratios, (0.25, 0.5, 0.75))) + " |"
        )
    return [*lines, ""]


def _power(gap: float) -> str:
    return "diverged" if np.isinf(gap) else f"{gap:.0e}".replace("e-0", "e-").replace("e+0", "e+")


# ---- the pictures ----------------------------------------------------------------------------------


def draw(studied: list[Studied], theme: str, path: Path) -> None:
    """Performance profiles of the steps to 1e-2 with no trial, five and fifty."""
    paper, ink, faint = ("white", "#1A1A1A", "#C4C4C4") if theme == "light" else ("#14181D", "#E6E6E6", "#4A525C")
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    named = {"text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": ink, "xtick.color": ink, "ytick.color": ink}
    with plt.rc_context(named | {"axes.facecolor": paper}):
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained", sharey=True)
        ratios, rules = np.geomspace(1.0, 16.0, 200), list(studied[0]["rules"])
        for panel, budget in zip(axes, ("0", "5", "50"), strict=True):
            curves = profile(times_of(studied, budget, 0), ratios)
            for rule, curve in sorted(zip(rules, curves, strict=True), key=lambda pair: pair[0] in SHOWN):
                colour, dashes = SHOWN.get(rule, (faint, "-"))
                label = rule if rule in SHOWN else None
                panel.plot(ratios, 100 * curve, color=colour, ls=dashes, lw=2 if label else 1, label=label)
            panel.set(
                xscale="log",
                xlim=(1, 16),
                ylim=(0, 100),
                title=BUDGETS[budget],
                xlabel="steps, over the fastest rule's",
            )
            panel.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"], minor=False)
            panel.minorticks_off()
        axes[0].set_ylabel("% of problems at a relative gap of 1e-2")
        handles = axes[0].get_legend_handles_labels()
        order = [handles[1].index(rule) for rule in SHOWN]
        figure.legend(
            [handles[0][i] for i in order], list(SHOWN), loc="outside lower center", ncols=len(SHOWN), frameon=False
        )
        figure.savefig(path, dpi=110, facecolor=paper)
        plt.close(figure)
