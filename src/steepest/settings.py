"""A fit written down: its settings (settings_table.py) in one frozen, validated object.

A setting with a choice is a name, or a name with numbers behind a colon, as `huber:1.35` and `uniform:-14:14` (see
`choices.py`). `Spec` checks a whole description at once. Whoever builds a fit (Python, the command, the lab) builds a
`Spec` first, so that they can never disagree; `to_toml()` and `from_toml()` keep it beside the run.
"""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
from collections.abc import Mapping
from math import inf
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self, Unpack

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from steepest import torch_criteria
from steepest.choices import is_path, parse
from steepest.errors import SpecError
from steepest.formulas.models import own_loss
from steepest.settings_table import SETTINGS, Settings

MISSING = ("error", "drop", "mean", "level")
LEFT = re.compile(
    r"""(?:(?:np\.)?(log)\()?\s*(?:`([^`]+)`|Q\(\s*(?:'([^']+)'|"([^"]+)")\s*\)|([^\W\d][\w.]*))\s*(\))?"""
)
"""The left side of a formula: a column, or its logarithm."""
DATES = tuple(way + order for way in ("days", "parts") for order in ("", ":dayfirst", ":monthfirst"))
THOUSANDS = (".", ",", " ", "'", "_", "\u2019", "\u00a0", "\u202f", "\u2009")

if TYPE_CHECKING:

    class _Fields(BaseModel):
        def __init__(self, **settings: Unpack[Settings]) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:
    _Fields = create_model(
        "_Fields",
        __config__=ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True),
        **{setting.name: (setting.kept, setting.default) for setting in SETTINGS.values()},
    )


class Spec(_Fields):
    """All settings of a fit but the data. Frozen; unknown words and impossible values are refused.

    A model, loss, optimizer or schedule may also be an object (an `nn.Module`, a callable, a `torch.optim` class);
    such a one is written to TOML as `package.module:name` where it can be imported again from there.
    """

    @model_validator(mode="before")
    @classmethod
    def _target_of_formula(cls, given: Any) -> Any:
        """The left side of a formula is the target."""
        if not isinstance(given, Mapping) or not isinstance(given.get("formula"), str):
            return given
        target, other = formula_sides(given["formula"])[0], given.get("target")
        if target is None or other == target:
            return given
        if other is not None:
            raise SpecError(f"target={other!r} and the left side of formula={given['formula']!r}: give one of them.")
        return {**given, "target": target}

    @field_validator("lr", mode="before")
    @classmethod
    def _rate(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "auto":
            raise SpecError(f'lr={value!r}: it must be a number greater than 0, or "auto".')
        if isinstance(value, (list, tuple)):
            raise SpecError(f"lr={value!r}: a fit has one learning rate; several at once are for st.sweep().")
        if isinstance(value, Mapping):
            rates = {str(name): rate for name, rate in value.items()}
            fine = [
                isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < inf
                for rate in rates.values()
            ]
            if not rates or not all(fine):
                raise SpecError(
                    f'lr={value!r}: each rate must be a number greater than 0, as in {{"x": 0.1, "*": 0.01}}.'
                )
            return {name: float(rate) for name, rate in rates.items()}
        return value

    @field_validator("loss", "schedule", mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (int, float, list, tuple)):
            raise SpecError(f"{info.field_name}={value!r} is neither a name nor a function.")
        if info.field_name == "loss":
            return torch_criteria.known(torch_criteria.located(value) if isinstance(value, str) else value)
        return value

    @field_validator("target", "columns", "drop", "categories", "weights", "class_weight", mode="before")
    @classmethod
    def _names(cls, value: Any, info: ValidationInfo) -> Any:
        always_several = SETTINGS[str(info.field_name)].types & {tuple, str} == {tuple}
        return _labels((value,) if always_several and (isinstance(value, str) or is_label(value)) else value)

    @field_validator("missing_values", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        words = (value,) if isinstance(value, str | int | float) else value
        return tuple(map(str, words)) if isinstance(words, list | tuple) else words

    @field_validator("missing", mode="before")
    @classmethod
    def _policies(cls, value: Any) -> Any:
        value = _labels(value)
        for name, policy in value.items() if isinstance(value, Mapping) else [("", value)]:
            if policy not in MISSING:
                of = f" of the column {name!r}" if name else ""
                raise SpecError(f"missing={policy!r}{of}: it must be one of {', '.join(MISSING)}.")
        return value

    @field_validator("date", mode="before")
    @classmethod
    def _dates(cls, value: Any) -> Any:
        value = _labels(value)
        if value is None or (isinstance(value, Mapping) and all(way in DATES for way in value.values())):
            return value
        raise SpecError(
            f'date={value!r}: it must name "days" or "parts" for each column, as in date={{"when": "days"}}; where the day '
            'or the month may stand first, "days:dayfirst" or "days:monthfirst".'
        )

    @field_validator("bounds", "penalty_groups", mode="before")
    @classmethod
    def _of_names(cls, value: Any, info: ValidationInfo) -> Any:
        """(low, high) of each coefficient, infinite where there is none; the members of each group."""
        if value is None or value == {}:
            return None
        read, shape = OF_NAMES[str(info.field_name)]
        if not isinstance(value, Mapping):
            raise SpecError(f"{info.field_name}={value!r}: it must be a dict of {shape}.")
        return {str(name): read(name, each) for name, each in value.items()}

    @field_validator("validation", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        """A share is a number; any other text is the path of a file."""
        if not isinstance(value, str | int | float | None) or isinstance(value, bool):
            raise SpecError(
                f"validation={value!r}: it must be a fraction between 0 and 1, or rows: a file, a table, or (x, y)."
            )
        try:
            return None if value is None else float(value)
        except ValueError:
            return value

    @field_validator("penalty", "averaging", "link", mode="before")
    @classmethod
    def _none(cls, value: Any, info: ValidationInfo) -> Any:
        return SETTINGS[str(info.field_name)].default if value is None else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        for setting in SETTINGS.values():
            given = getattr(self, setting.name)
            if setting.choices is None or not isinstance(given, str) or given == setting.default:
                continue
            if not is_path(given, setting.choices):
                parse(given, setting.choices, setting.name)
        loss = own_loss(self.model)
        if loss and self.loss not in ("auto", loss) and not torch_criteria.has(self.loss, torch_criteria.LIKE[loss]):
            raise SpecError(
                f"model={self.model!r} is the linear model with loss={loss!r}, but loss={self.loss!r} was given. "
                f"Leave one of them out."
            )
        self._check_reading()
        self._check_numbers()
        return self

    def _check_reading(self) -> None:
        if self.thousands is not None and self.thousands not in THOUSANDS:
            raise SpecError(f"thousands={self.thousands!r}: it must be a point, a comma, a space, an apostrophe or _.")
        if self.thousands is not None and self.thousands == self.decimal:
            raise SpecError(f"decimal={self.decimal!r} and thousands={self.thousands!r}: they must differ.")
        if self.encoding is not None:
            try:
                known = codecs.lookup(self.encoding)._is_text_encoding
            except (LookupError, ValueError):
                known = False
            if not known:
                raise SpecError(
                    f"encoding={self.encoding!r} is not known. It is a name such as utf-8, latin-1 or cp1252."
                )
        if self.comment is not None and (
            not self.comment.strip() or not self.comment.isprintable() or '"' in self.comment
        ):
            raise SpecError(
                f"comment={self.comment!r}: it must be the sign that comment lines begin with, such as '#'."
            )
        if not 0 <= self.skip_rows < 2**31:
            raise SpecError(f"skip_rows={self.skip_rows!r}: it must be a whole number of at least 0.")

    def _check_numbers(self) -> None:
        def need(fine: bool, name: str, rule: str) -> None:
            if not fine:
                raise SpecError(f"{name}={getattr(self, name)!r}: it must be {rule}.")

        finite = float("inf")
        need(
            self.lr == "auto" or isinstance(self.lr, dict) or 0 < self.lr < finite,
            "lr",
            'a number greater than 0, or "auto"',
        )
        need(self.clip is None or 0 < self.clip < finite, "clip", "a number greater than 0 (the largest gradient norm)")
        need(self.batch_size == "full" or self.batch_size >= 1, "batch_size", '"full" or at least 1')
        need(self.accumulate >= 1, "accumulate", "a whole number of at least 1")
        for name in ("epochs", "max_steps", "patience", "sync_every"):
            value = getattr(self, name)
            need(value is None or value >= 1, name, "a whole number of at least 1")
            need(value is None or value < 2**63, name, "less than 2^63")
        seconds = self.max_seconds
        need(seconds is None or 0 < seconds < finite, "max_seconds", "a number greater than 0")
        need(self.tol is None or 0 <= self.tol < finite, "tol", "0 (stop only where nothing changes) or greater")
        share = self.validation_share
        need(share is None or 0 < share < 1, "validation", "a fraction between 0 and 1")
        need(0 <= self.test_fraction < 1, "test_fraction", "a fraction from 0 to just under 1")
        need(0 <= self.seed < 2**64, "seed", "a whole number from 0 to 2^64 - 1")
        need(
            isinstance(self.record, tuple) or self.record >= 2,
            "record",
            "a whole number of at least 2 (the most rows that the trace keeps), or names of parameters",
        )
        need(re.fullmatch(r"cpu|cuda(:\d+)?", self.device) is not None, "device", "cpu, cuda or cuda:N")

    @property
    def validation_share(self) -> float | None:
        """The share of the training rows that is held out to stop by; None where other rows do, or none."""
        return self.validation if isinstance(self.validation, float) else None

    @property
    def rows_of_step(self) -> int | None:
        """How many rows a step sees, of all its minibatches together; None: all."""
        return None if self.batch_size == "full" else int(self.batch_size) * self.accumulate

    @property
    def rate(self) -> float:
        """The learning rate; of several the largest."""
        return max(self.lr.values()) if isinstance(self.lr, dict) else float(self.lr)

    @property
    def pieces(self) -> int | None:
        """Rows of one of the minibatches whose gradients are averaged; None where a step has one alone."""
        return None if self.batch_size == "full" or self.accumulate == 1 else int(self.batch_size)

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Spec:
        """Check settings, given as a mapping, and say in one SpecError what is wrong with them."""
        try:
            return cls(**settings)
        except ValidationError as error:
            raise SpecError(_explain(error)) from None

    def to_toml(self) -> str:
        """The settings that differ from the defaults, as TOML. Raises SpecError for what has no name to be found by."""
        import tomli_w

        given = {}
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value != setting.default:
                given[name] = as_written(name, value)
        return tomli_w.dumps(given)

    @classmethod
    def from_toml(cls, text: str) -> Spec:
        """Read what `to_toml` wrote. Raises SpecError for broken TOML and for settings that are not allowed."""
        try:
            return cls.read(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"This is no TOML: {error}.") from None


def formula_sides(text: str) -> tuple[str | None, str]:
    """The target that a formula names, None without a left side, and its right side.

    Raises:
        SpecError: a left side that is neither a column nor the logarithm of one.

    Example:
        >>> formula_sides("price ~ area"), formula_sides("np.log(`Sale Price`) ~ 1"), formula_sides("area + city")
        (('price', 'area'), ('log(Sale Price)', '1'), (None, 'area + city'))
    """
    parts = re.split(r"~(?=(?:[^`]*`[^`]*`)*[^`]*$)", text)  # but for one in backticks
    if len(parts) > 2:
        raise SpecError(f"formula={text!r} has more than one ~.")
    left, right = parts[0].strip() if len(parts) == 2 else "", parts[-1].strip()
    if not left:
        return None, right
    found = LEFT.fullmatch(left)
    if found is None or bool(found[1]) != bool(found[6]):
        raise SpecError(
            f"The left side {left!r} of the formula is to be a column (`in backticks` if its name is no word) or log(COLUMN). "
            f'For several targets name them, target=["a", "b"], and give the formula without a left side: "~ {right}".'
        )
    name = next(name for name in found.groups()[1:5] if name)
    return (f"log({name})" if found[1] else name), right


def is_label(value: Any) -> bool:
    """Whether a column is named by a whole number, as columns of a frame may be."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _pair(name: Any, pair: Any) -> tuple[float, float]:
    """The bounds of one coefficient."""
    try:
        low, high = pair
        low, high = -inf if low is None else float(low), inf if high is None else float(high)
    except (TypeError, ValueError):
        raise SpecError(f"bounds of {str(name)!r}: {pair!r} must be a low and a high bound, as (0, None).") from None
    if not low <= high or low == inf or high == -inf:
        raise SpecError(
            f"bounds of {str(name)!r}: {pair!r} must be a low bound and one that is no lower, as (0, None)."
        )
    return low, high


def _members(name: Any, members: Any) -> tuple[str, ...]:
    """The names of one group."""
    several = [members] if isinstance(members, str) or is_label(members) else members
    if not isinstance(several, list | tuple) or not all(isinstance(one, str) or is_label(one) for one in several):
        raise SpecError(f"penalty_groups= of {str(name)!r}: {members!r} must be names of columns or coefficients.")
    if not several:
        raise SpecError(f"penalty_groups= has nothing in the group {str(name)!r}. Name its columns, or leave it out.")
    return tuple(map(str, several))


OF_NAMES = {
    "bounds": (_pair, '(low, high), as in bounds={"x": (0, None)}'),
    "penalty_groups": (_members, 'names of columns, as in penalty_groups={"size": ["width", "height"]}'),
}
"""Settings that say something of names: how it is read, and what is said where it is no dict."""


def _labels(value: Any) -> Any:
    """Names of columns as text: one, several, or the keys of a mapping.

    >>> _labels(2), _labels((0, "a")), _labels({0: "days"})
    ('2', ('0', 'a'), {'0': 'days'})
    """
    if is_label(value):
        return str(value)
    if isinstance(value, list | tuple):
        return tuple(str(name) if is_label(name) else name for name in value)
    return {str(name): entry for name, entry in value.items()} if isinstance(value, Mapping) else value


def as_written(name: str, value: Any) -> Any:
    """The value of a setting as TOML and JSON have it. Raises SpecError for what has no name to be found by."""
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, dict):
        return {str(key): as_written(name, entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_written(name, entry) for entry in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if name == "loss" and torch_criteria.written(value):
        return torch_criteria.written(value)
    module, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if module and qualified and "<" not in qualified and module != "__main__":
        return f"{module}:{qualified}"
    raise SpecError(
        f"{name}={value!r} cannot be written down: give it a name that can be imported, package.module:name."
    )


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"][:1])
        if problem["type"] == "value_error":  # an error of our own
            lines.append(str(problem["ctx"]["error"]))
        elif problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            lines.append(f"{name} is no setting of a fit" + (f"; did you mean {near[0]}?" if near else "."))
        else:
            lines.append(f"{name}={problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}.")
    return "\n".join(dict.fromkeys(lines))
