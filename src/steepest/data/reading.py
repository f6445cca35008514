"""How the columns of a table are read, as far as the settings say so: one frozen object from the settings to the file.

`Reading.of(spec)` takes the settings of the same names from a fit's description; what is None is inferred from the file.
The same object reads the rows of the fit and those predicted later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

MISSING = frozenset(
    {
        *("", "NA", "N/A", "n/a", "na", "#N/A", "#N/A N/A", "#NA", "N.A.", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
        *("null", "NULL", "Null", "None", "none", "NONE", "?", "-", "--", ".", "missing"),
        *("-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    }
)
"""The usual words that mean a missing value."""


@dataclass(frozen=True)
class Reading:
    """What was said about how a table is read.

    Attributes:
        decimal, thousands: the marks in numbers, such as "," and ".".
        encoding: of a text file.
        skip_rows: lines above its header.
        comment: the sign that its comment lines begin with.
        header: whether its first line holds names.
        missing_values: words that mean missing beside the usual ones; `not:none` takes a usual one back.
        categories: columns whose values are levels, whatever they look like.
        date: column → "days" or "parts".
        labels: "casefold" where levels that differ in case and surrounding blanks only are one.
    """

    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    comment: str | None = None
    header: bool | None = None
    missing_values: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    date: Mapping[str, str] | None = None
    labels: str | None = None

    @property
    def words(self) -> frozenset[str]:
        """Every word that means a missing value: the usual ones less those taken back (`not:none`), and those given."""
        back = {word.removeprefix("not:") for word in self.missing_values if word.startswith("not:")}
        return (MISSING - back) | {word for word in self.missing_values if not word.startswith("not:")}

    @classmethod
    def of(cls, spec: Any) -> Self:
        """The settings of these names in a `Spec`."""
        return cls(**{field.name: getattr(spec, field.name) for field in fields(cls)})


AS_IT_IS = Reading()  # no settings: everything is inferred from the source
