"""A finding: what ails a fit, the numbers that show it, what to change, and what that is predicted to give.

    rate over the limit: lr=0.3 is 1.6 times the largest rate that holds.
      evidence   λ_max 10.7 along 'income'; the limit 2/λ is 0.187; the loss grew from step 3 on
      remedy     lr=0.168                                (--lr 0.168)
      predicted  within 1e-6 of the optimum after 74 steps

A *check* is a function that looks at a fit and yields such findings (`diagnosis.py`); checks that need no descent also look at
a table before any fit. `diagnosis.py` asks them all and ranks what they say.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from steepest.command_words import options
from steepest.errors import SpecError
from steepest.text import findings
from steepest.text.displayed import Displayed
from steepest.text.document import Document

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset
    from steepest.data.schema import Schema
    from steepest.lazy import nn
    from steepest.model.linear import LinearProblem, Terms
    from steepest.model.loss import Loss
    from steepest.result import Fit as Fitted
    from steepest.settings import Spec

    class FittedRows(Fitted):
        """What a check is asked of: a diagnosis has the rows."""

        train: Dataset

    class FittedModule(FittedRows):
        """What a check that needs a network is asked of."""

        network: nn.Module
else:
    Fitted = FittedRows = FittedModule = Any  # a finished `Fit`, which imports this package


class Kind(StrEnum):
    """Everything that can be found, first what keeps a descent from its optimum, then what is wrong with the model.

    code: what a kind is called for good, `ST001`, whatever its words come to be. A new kind takes the next number.
    """

    code: str

    def __new__(cls, words: str, code: str) -> Kind:
        kind = str.__new__(cls, words)
        kind._value_, kind.code = words, code
        return kind

    RATE_TOO_HIGH = "rate over the limit", "ST001"
    RATE_TOO_LOW = "rate far under the limit", "ST002"
    TOO_FEW_STEPS = "too few steps", "ST003"
    SCALES = "columns on different scales", "ST004"
    COLLINEAR = "collinear columns", "ST005"
    CONSTANT = "constant column", "ST006"
    DECAY = "decay too fast", "ST007"
    NOISE = "noise floor", "ST008"
    KINK = "bouncing at a kink", "ST009"
    TOLERANCE = "stopped too early", "ST010"
    PATIENCE = "stopped by patience", "ST011"
    CLIPPED = "clipped gradients", "ST012"
    SORTED = "rows in order", "ST013"
    MOMENTUM = "momentum too high", "ST048"
    AVERAGED = "early steps in the average", "ST050"
    DECAYED = "weight decay of the intercept", "ST051"
    BASIN = "a minimum that is not the least", "ST052"
    FLOAT32 = "float32", "ST014"
    ALIKE = "weights that start alike", "ST031"
    SATURATED = "saturated units", "ST033"
    TINY_BATCHES = "batch normalization in tiny batches", "ST034"
    TARGET_SCALE = "target far from a network's outputs", "ST039"
    SEPARABLE = "separable classes", "ST015"
    DEAD_UNITS = "dead units", "ST016"
    VANISHING = "vanishing gradients", "ST017"
    MISSING_CODE = "a code for missing values", "ST018"
    SPELLINGS = "one level in two spellings", "ST019"
    CODED = "classes written as numbers", "ST020"
    OUTPUT = "unsuitable output layer", "ST021"
    UNACTIVATED = "layers without an activation", "ST022"
    OUTLIERS = "outliers", "ST023"
    CURVATURE = "curvature in the residuals", "ST024"
    INTERCEPT = "missing intercept", "ST025"
    LOG_TARGET = "target wants a log", "ST026"
    OVERFITTING = "overfitting", "ST027"
    FEW_ROWS = "too few rows", "ST028"
    IMBALANCED = "imbalanced classes", "ST029"
    HEAVY_ROWS = "few rows carry the weight", "ST030"
    REGULARIZED = "dropout or penalty too strong", "ST032"
    NUMBERS = "classes fitted as numbers", "ST035"
    CLASSES = "numbers fitted as classes", "ST036"
    MEDIAN = "median where the mean is far from it", "ST037"
    BROADCAST = "loss that broadcasts", "ST038"
    LABELS = "labels that do not follow the inputs", "ST041"
    ONE_HOT = "one-hot targets", "ST042"
    SHARED_ROWS = "rows both in training and held-out data", "ST043"
    LEAK = "column that gives the target away", "ST044"
    HEAVY_TAIL = "heavy-tailed target", "ST045"
    SPREAD = "spread that grows with the prediction", "ST046"
    OVERFLOW = "numbers too large for float32", "ST047"
    OVERDISPERSED = "overdispersion", "ST049"
    BOUND = "estimates on their bounds", "ST053"
    MIXED = "answers that depend on other rows", "ST054"
    STILL = "parameters that do not move", "ST055"
    LAGGING = "running statistics that lag behind", "ST056"
    LEVELS = "codes in a column of numbers", "ST057"
    INVERTED = "weights that grow with the spread", "ST058"
    EXPOSED = "an exposure taken as a column", "ST059"
    LARGE = "weights that start too large", "ST060"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    kind: which of all kinds. what: one sentence, with the names of columns. evidence: the numbers that show it, in a
    sentence or two. remedy: settings of `fit()` to change, with their values. predicted: what they are predicted to give, a
    sentence. share: how much of the gap (of a model's finding: of the loss) it explains, 0 to 1. of_model: the descent is
    not at fault, so that it is found where the gap is closed, too. columns, rows: which are concerned (rows from 0, in the
    training rows). advice: what to change where no setting does it, a sentence. tried: what came of the remedy where the
    fit was made again with it, `on 300 rows: objective 0.31 → 0.04`.
    """

    kind: Kind
    what: str
    evidence: str
    remedy: Mapping[str, Any]
    predicted: str
    share: float = 0.0
    of_model: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    advice: str = ""
    tried: str = ""

    @property
    def code(self) -> str:
        """What its kind is called for good: `ST001`."""
        return self.kind.code

    @property
    def python(self) -> str:
        """The remedy as keywords: `lr=0.168`."""
        return ", ".join(f"{name}={value!r}" for name, value in self.remedy.items())

    @property
    def command(self) -> str:
        """The remedy as options, to be copied: `--lr 0.168`."""
        return shlex.join(options(self.remedy))

    @property
    def left_out(self) -> str:
        """What the remedy does without, in words, as a command line has no word for None: `leaving out --weights`."""
        names = [f"--{name.replace('_', '-')}" for name, value in self.remedy.items() if value is None]
        return f"leaving out {' and '.join(names)}" if names else ""

    def to_dict(self) -> dict[str, Any]:
        """As a plain object: what `--json` prints and a run keeps.

        Example:
            >>> Finding(Kind.TOO_FEW_STEPS, "It is on its way.", "", {"epochs": 200}, "").to_dict()["remedy"]
            {'epochs': 200}
        """
        lists = {"columns": list(self.columns), "rows": list(self.rows)}
        return {"code": self.code, **vars(self), "kind": str(self.kind), "remedy": dict(self.remedy), **lists}


@dataclass(frozen=True)
class Findings(Displayed, Sequence[Finding]):
    """Findings, the most important first; `print()` shows them whole.

    found: those that were found. looked_at: which signs were looked at, and which cannot be seen, in words. muted: the
    codes of those that were found and are not among them, as was asked for.
    """

    found: tuple[Finding, ...] = field(default=())
    looked_at: str = ""
    muted: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, place: Any) -> Any:
        return self.found[place]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    def without(self, mute: str | Sequence[str]) -> Findings:
        """The same without findings of these codes.

        Args:
            mute: the codes, `["ST003"]`.

        Raises:
            SpecError: a code that no finding has.

        Example:
            >>> from steepest.fitting import fit
            >>> found = fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0], optimizer="sgd", lr=0.5, epochs=50).diagnose()
            >>> found[0].code, found.without("ST001").muted
            ('ST001', ('ST001',))
        """
        codes = known_codes(mute)
        if not codes:
            return self
        left = tuple(finding for finding in self.found if finding.code not in codes)
        gone = sorted({finding.code for finding in self.found if finding.code in codes})
        return replace(self, found=left, muted=(*self.muted, *gone))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each as a plain object.

        Example:
            >>> Findings().to_dicts()
            []
        """
        return [finding.to_dict() for finding in self.found]

    def to_dict(self) -> dict[str, Any]:
        """Everything as one plain object: what `--json` prints.

        Example:
            >>> Findings().to_dict()
            {'findings': [], 'looked_at': '', 'muted': []}
        """
        return {"findings": self.to_dicts(), "looked_at": self.looked_at, "muted": list(self.muted)}

    def _document(self, width: float) -> Document:
        return findings.document(self)


@dataclass(frozen=True)
class BeforeFit:
    """What is known before any fit. problem and terms are None for a module."""

    spec: Spec
    schema: Schema
    names: Sequence[str]
    train: Dataset
    problem: LinearProblem | None
    terms: Terms | None
    loss_function: Loss


Prepared = BeforeFit | FittedRows
"""What a check of the data is asked of: all that is known before a fit is known of a fit as well."""


def known_codes(mute: str | Sequence[str]) -> frozenset[str]:
    """Codes of findings, one or several. SpecError where one is none; it names the nearest, by its words as well.

    >>> sorted(known_codes("ST003")), sorted(known_codes(["st003", "ST027"]))
    (['ST003'], ['ST003', 'ST027'])
    """
    given = [mute] if isinstance(mute, str) else list(mute)
    words = {name: kind for kind in Kind for name in (kind.code, str(kind))}
    for code in given:
        if str(code).upper() not in {kind.code for kind in Kind}:
            near = difflib.get_close_matches(str(code).upper(), words, 1) or difflib.get_close_matches(
                str(code), words, 1
            )
            hint = f" The nearest is {words[near[0]].code} ({words[near[0]]})." if near else ""
            raise SpecError(f"mute={code!r}: no finding has this code.{hint}")
    return frozenset(str(code).upper() for code in given)
