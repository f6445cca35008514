"""Every setting of a fit, once: its default, its types, one sentence on it, its role, and how it is given.

`Settings` is the table. The keywords of `fit()`, `sweep()`, `diagnose()` and `describe()`, their docstrings, the fields of
`Spec` (settings.py), the command's options with their help (cli/options.py) and every set of settings that is treated alike
are read from it: a new setting is a new entry here, and whatever it does.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, TypedDict, TypeVar, Union, get_args, get_origin

from steepest.choices import Choice, listed
from steepest.formulas.averages import AVERAGES
from steepest.formulas.inits import INITS
from steepest.formulas.links import LINKS
from steepest.formulas.losses import LOSSES
from steepest.formulas.models import MODELS
from steepest.formulas.penalties import PENALTIES
from steepest.formulas.quantities import QUANTITIES
from steepest.formulas.rules import RULES
from steepest.formulas.schedules import SCHEDULES

Role = Literal["data", "reading", "model", "descent", "stopping", "output"]
Kind = Literal["names", "pairs", "whole", "real", "switch", "choice", "text"]
Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_EPOCHS = {"curvature": 2_000, "full": 1_000, "minibatch": 100, "stream": 5}
"""Epochs where neither epochs nor max_steps is given: of curvature steps, of full batches, of minibatches, and of a stream's."""


@dataclass(frozen=True)
class Setting:
    """What there is to know about a setting.

    Attributes:
        default, role, text: text is one sentence; `{names}` in it stands for the names of `choices`.
        python, command: what is to be said in docstrings alone, and in the command's help alone.
        kept: the type in a `Spec`, where it is not the one that may be given.
        choices: the registry of the names that it may have.
        free: runs that descend side by side may differ in it.
        prepares: it decides which rows and columns there are; by default all of data and reading.
        fitted: it changes the objective itself; by default all of data and reading.
        steers: it says how the descent goes, not what is fitted; by default all of descent, stopping and output.
        listed: on the command line commas part several values of a sweep.
        each_row: a column's name, or a number for each row, which a fit's description does not hold.
        hyphen: what follows its option may begin with a hyphen, as numbers do.
    """

    default: Any
    role: Role
    text: str
    python: str = ""
    command: str = ""
    kept: Any = None
    choices: Mapping[str, Choice] | None = None
    free: bool = False
    prepares: bool | None = None
    fitted: bool | None = None
    steers: bool | None = None
    listed: bool = False
    each_row: bool = False
    hyphen: bool = False
    name: str = ""
    given: Any = None

    @cached_property
    def sentence(self) -> str:
        """The sentence, with the names that it may have."""
        return self.text.replace("{names}", listed(self.choices or {}, self.default))

    @cached_property
    def types(self) -> frozenset[Any]:
        """The types of the values that a `Spec` keeps, without their parameters."""
        parts = get_args(self.kept) if get_origin(self.kept) in (Union, UnionType) else (self.kept,)
        return frozenset(get_origin(part) or part for part in parts)

    @cached_property
    def kind(self) -> Kind:
        """How it is given: names of columns, pairs NAME=VALUE, a number, true or false, one of `choices`, or a text."""
        kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "real", dict: "pairs", tuple: "names"}
        if self.choices is not None:
            return "choice"
        return next((kind for one, kind in kinds.items() if one in self.types), "text")


def _entry(name: str, entry: Any) -> Setting:
    given, setting = get_args(entry)
    data = setting.role in ("data", "reading")
    return replace(
        setting,
        name=name,
        given=given,
        kept=given if setting.kept is None else setting.kept,
        prepares=data if setting.prepares is None else setting.prepares,
        fitted=data if setting.fitted is None else setting.fitted,
        steers=setting.role in ("descent", "stopping", "output") if setting.steers is None else setting.steers,
    )


Names = str | Iterable[str] | None


class Settings(TypedDict, total=False):
    """The keywords of a fit."""

    # fmt: off
    target: Annotated[Names, Setting(None, "data",
        "Column to predict, or log(COLUMN), its natural logarithm; or several.",
        python="Beside x and y it is `log(y)`.", command="Several: a,b or repeated. A sample has one of its own.",
        kept=str | tuple[str, ...] | None)]
    columns: Annotated[Names, Setting(None, "data", "Columns to predict from; all others by default.",
        command="For a name with a comma, repeat the option.", kept=tuple[str, ...] | None)]
    drop: Annotated[Names, Setting((), "data", "Columns to leave out.", kept=tuple[str, ...])]
    formula: Annotated[str | None, Setting(None, "data",
        'Terms to predict from, and the target: "price ~ area + C(city) + area:city + poly(age, 2) + log(lot)".',
        python="Instead of columns; see docs/formulas.md.")]
    model: Annotated[Any, Setting("linear", "model", "{names}, or package.module:factory.",
        python="Or an `nn.Module`, compiled by `torch.compile`, too.", choices=MODELS, prepares=True, fitted=True)]
    loss: Annotated[Any, Setting("auto", "model", "{names}; auto is what the target asks for.",
        python="Or a criterion of PyTorch's (an object, class or function), or any callable on (prediction, target).",
        choices=LOSSES, prepares=True)]
    link: Annotated[str | None, Setting("auto", "model",
        "{names}: which function of the mean the coefficients are for, where the loss has more than one link.",
        kept=str, choices=LINKS, fitted=True)]
    penalty: Annotated[str | None, Setting("none", "model",
        "{names}, in the units of the parameters; intercepts are free.", kept=str, choices=PENALTIES, fitted=True)]
    penalty_groups: Annotated[Mapping[str, Names] | None, Setting(None, "model",
        "Groups of penalty group:A, each with the names of its columns or coefficients; by default the coefficients of each "
        "column, or term of a formula, are one.",
        python='As `{"size": ["width", "height"]}`.', command="As GROUP=COLUMN,COLUMN;GROUP=COLUMN, or repeated.",
        kept=dict[str, tuple[str, ...]] | None, fitted=True)]
    bounds: Annotated[Mapping[str, Any] | None, Setting(None, "model",
        "Bounds of coefficients, each a low and a high one, kept by projected steps; intercepts are free.",
        python='As `{"x": (0, None)}`, None being no bound.', command="As COLUMN=LOW:HIGH, where either may be left out.",
        kept=dict[str, tuple[float, float]] | None, fitted=True)]
    optimizer: Annotated[Any, Setting("auto", "descent", "{names}.",
        python="Or a `torch.optim` class, a partial of it, a function of the parameters that makes one, or a Rule. "
        "The model is run once a step; only an optimiser whose step asks for a closure, as `LBFGS`, runs it again. "
        "Its own learning rate is in user units.", choices=RULES, free=True)]
    lr: Annotated[float | Literal["auto"] | Mapping[str, float], Setting("auto", "descent",
        "Learning rate, or auto (default), which is safe at any batch size.",
        python="For a module auto is 0.01. A number is a learning rate in user units. Or rates of columns, or of parts of a "
        'module, `{"backbone": 1e-4, "*": 1e-2}`, where `*` are all others.',
        command="Or rates of columns, or of parts of a module, as NAME=RATE,*=RATE.",
        kept=float | Literal["auto"] | dict[str, float], free=True)]
    schedule: Annotated[Any, Setting("auto", "descent", "{names}.",
        python="Or a callable (step, epoch) → factor, or what makes a scheduler of PyTorch's: `partial(StepLR, "
        "step_size=10)`; once an epoch, `OneCycleLR` and `CyclicLR` once a step.", choices=SCHEDULES, free=True)]
    averaging: Annotated[str | None, Setting("none", "descent",
        "{names}: the answer is the mean of all steps (polyak) or of the last share of them (tail:0.5).",
        kept=str, choices=AVERAGES, free=True)]
    clip: Annotated[float | None, Setting(None, "descent",
        "Largest norm of a gradient; longer ones are scaled down to it.", free=True)]
    batch_size: Annotated[int | Literal["full"], Setting("full", "descent", "Rows in a batch, or full (default).")]
    accumulate: Annotated[int, Setting(1, "descent",
        "Minibatches whose gradients are averaged for one step (default 1).",
        python="A step is then that of a batch so many times as large, and a module sees no more rows at once than in one.")]
    sync_every: Annotated[int | None, Setting(None, "descent",
        "Under torchrun: steps that each rank takes by itself between two means of θ.",
        python="Faster, and another path than that of shared steps.")]
    shuffle: Annotated[Literal["rows", "draws", "blocks", "none"], Setting("rows", "descent",
        "rows (default: a fresh permutation each epoch), draws, blocks or none.", python="See `data/batching.py`.",
        listed=True)]
    epochs: Annotated[int | None, Setting(None, "stopping", "Largest number of passes over the rows.", free=True)]
    max_steps: Annotated[int | None, Setting(None, "stopping", "Largest number of updates.", free=True)]
    max_seconds: Annotated[float | None, Setting(None, "stopping", "Largest number of seconds that the descent takes.",
        python="Of runs that descend side by side it is for all of them together.")]
    tol: Annotated[float | None, Setting(None, "stopping",
        "Stop when the objective changes by no more than this share of it; 0: by nothing at all.", free=True)]
    patience: Annotated[int | None, Setting(None, "stopping",
        "How many such checks in a row (1 by default), or epochs without a better validation loss (10).", free=True)]
    validation: Annotated[Any, Setting(None, "stopping",
        "Share of the training rows held out for early stopping, or a file of rows for it.",
        python="Or rows of their own, as a table with the target, a loader, a dataset or (x, y).", kept=float | str | None,
        steers=False)]
    init: Annotated[Any, Setting("zeros", "descent", "Start: {names}, or numbers 1,2,3.",
        python="In the order of `names`; or a Fit.", choices=INITS, free=True, steers=False, hyphen=True)]
    seed: Annotated[int, Setting(0, "descent",
        "Seed of all random numbers (default 0); the same seed gives the same numbers.", free=True, steers=False)]
    precondition: Annotated[Literal["auto", "none", "standardize", "orthonormal"], Setting("auto", "descent",
        "Coordinates of the descent: auto (default), none, standardize or orthonormal.",
        python="θ is always in user units.", listed=True)]
    intercept: Annotated[bool, Setting(True, "model", "Whether the model has an intercept (it has by default).",
        prepares=True, fitted=True)]
    weights: Annotated[Any, Setting(None, "data", "Column that holds the weight of each row.",
        python="Or `[n]` numbers.", kept=str | None, each_row=True)]
    offset: Annotated[Any, Setting(None, "data", "Column that is added to each prediction, with no coefficient of its own.",
        python="Or `[n]` numbers.", kept=str | None, each_row=True)]
    exposure: Annotated[Any, Setting(None, "data",
        "Column of what counts are out of (years, inhabitants): its logarithm is added, so that coefficients are of a rate.",
        python="Or `[n]` numbers.", kept=str | None, each_row=True)]
    trials: Annotated[Any, Setting(None, "data",
        "Column that holds the number of trials, where the target counts successes (loss binomial).",
        python="Or `[n]` numbers.", kept=str | None, each_row=True)]
    weights_kind: Annotated[Literal["precision", "frequency"], Setting("precision", "data",
        "What a weight is to standard errors: precision (default: a row varies the less), or frequency (it stands for so many).",
        prepares=False, fitted=False, listed=True)]
    class_weight: Annotated[Literal["balanced"] | Mapping[Any, float] | None, Setting(None, "data",
        "balanced, or a weight for each class.", python="As a dict label → weight.", command="As label=weight,…",
        kept=Literal["balanced"] | dict[str, float] | None)]
    missing: Annotated[str | Mapping[str, str], Setting("error", "data",
        "What to do with missing values: error (default), drop (the rows), mean or level (a level of its own).",
        python='Or one of them for each column, `{"Alley": "level", "*": "mean"}`, where `*` are all others.',
        command="Or COLUMN=level,…", kept=str | dict[str, str], listed=True)]
    missing_values: Annotated[str | float | Iterable[str | float], Setting((), "reading",
        "Words that mean missing, beside the usual ones: unknown,-999. not:none takes a usual one back.",
        kept=tuple[str, ...], hyphen=True)]
    categories: Annotated[Names, Setting((), "reading", "Columns whose values are levels, whatever they look like.",
        kept=tuple[str, ...])]
    date: Annotated[Mapping[str, str] | None, Setting(None, "reading",
        "Columns of dates: days (a number of days) or parts (year, month, weekday, hour).",
        python='As `{"when": "days"}`.', command="As COLUMN=days or COLUMN=parts.", kept=dict[str, str] | None)]
    labels: Annotated[Literal["casefold"] | None, Setting(None, "reading",
        "casefold: levels that differ in case and surrounding blanks only are one.", listed=True)]
    decimal: Annotated[Literal[".", ","] | None, Setting(None, "reading",
        "The decimal mark of numbers: . or , (by default what the file shows).")]
    thousands: Annotated[str | None, Setting(None, "reading", "The mark between thousands, such as . or , or ' '.")]
    encoding: Annotated[str | None, Setting(None, "reading",
        "Of a text file, such as latin-1 or cp1252; UTF-8 by default.")]
    skip_rows: Annotated[int, Setting(0, "reading", "Lines above the header of a text file that are not read.")]
    comment: Annotated[str | None, Setting(None, "reading",
        "The sign that comment lines of a text file begin with, such as #.")]
    header: Annotated[bool | None, Setting(None, "reading",
        "Whether the first line of a text file holds names (by default what its lines show).")]
    stream: Annotated[bool | None, Setting(None, "data",
        "Whether the rows of Parquet or CSV files are read pass by pass, and never held in memory together (by default where "
        "they would take more than a third of what is free).")]
    test_fraction: Annotated[float, Setting(0.0, "data", "Share of the rows held out and scored.")]
    record: Annotated[int | Iterable[str], Setting(10_000, "output",
        "Steps that the trace keeps at most (default 10000).",
        python="Or names of the parameters to keep in it: θ of a module too large for the trace's memory (256 MiB) "
        "is left out whole unless some are chosen so; and of what is to be found of each step, "
        f"{', '.join(QUANTITIES)}.", kept=int | tuple[str, ...])]
    dtype: Annotated[Literal["float32", "float64"], Setting("float64", "descent", "float64 (default) or float32.",
        steers=False, listed=True)]
    device: Annotated[str, Setting("cpu", "descent", "cpu (default), cuda or cuda:N.", steers=False, listed=True)]
    # fmt: on


SETTINGS: Mapping[str, Setting] = {name: _entry(name, entry) for name, entry in Settings.__annotations__.items()}
"""Name → what there is to know about it, in the order in which they are shown."""


def those(test: Callable[[Setting], object]) -> tuple[str, ...]:
    """The names of the settings that pass a test.

    >>> those(lambda setting: setting.kind == "switch")
    ('intercept', 'header', 'stream')
    """
    return tuple(name for name, setting in SETTINGS.items() if test(setting))


READING = those(lambda setting: setting.role == "reading")
"""Settings that say how the columns of a table are read."""

OF_FILES = those(lambda setting: setting.role == "reading" and setting.name not in ("categories", "date", "labels"))
"""How a file is written, and not what its columns are, which a fit has learned: another file may be written otherwise."""

EACH_ROW = those(lambda setting: setting.each_row)
"""Settings that are a number for each row, or the column that holds it."""

NAMES = those(lambda setting: setting.kind == "names")
"""Settings that are names, one or several; on the command line parted by commas."""


def default_epochs(epochs: int | None, max_steps: int | None, kind: str) -> int | None:
    """Epochs at most: those given, or where nothing says when to end the usual number (see `DEFAULT_EPOCHS`)."""
    return DEFAULT_EPOCHS[kind] if epochs is None and max_steps is None else epochs


def takes_settings(names: Iterable[str] = SETTINGS, **defaults: Any) -> Callable[[Function], Function]:
    """A function of `**settings` that shows them: as its signature, and in its docstring in the place of `{settings}`.

    defaults: those that are others there. Where the function says `**settings: Any`, so do they.
    """

    def shown(function: Function) -> Function:
        own = inspect.signature(function)
        kinds = {kind: [p for p in own.parameters.values() if p.kind is kind] for kind in inspect._ParameterKind}
        (rest,) = kinds[inspect.Parameter.VAR_KEYWORD]
        own_keywords = kinds[inspect.Parameter.KEYWORD_ONLY]
        keywords = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, SETTINGS[name].default),
                annotation=Any if rest.annotation in (Any, "Any") else SETTINGS[name].given,
            )
            for name in names
        ]
        first = [p for p in own.parameters.values() if p not in own_keywords and p is not rest]
        function.__signature__ = own.replace(parameters=[*first, *keywords, *own_keywords])  # pyrefly: ignore
        lines = [argument_line(name, f"{SETTINGS[name].sentence} {SETTINGS[name].python}") for name in names]
        function.__doc__ = (function.__doc__ or "").replace("        {settings}", "\n".join(lines))
        return function

    return shown


def argument_line(name: str, text: str) -> str:
    """What a docstring says of an argument, in lines."""
    given = f"{name}: {text}".rstrip()
    return textwrap.fill(given, 120, initial_indent=" " * 8, subsequent_indent=" " * 12, break_on_hyphens=False)
