"""Numbers in text are read where it is unmistakable, and left alone or asked about where it is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as any_of

from steepest.data.numbers import Notation, Numerals, numerals


def _read(*texts: str | None, **settings: str) -> Numerals | None:
    return numerals(pa.chunked_array([list(texts)], pa.large_string()), **settings)


READ = {
    ("1,234", "12,345,678"): [1234, 12345678],
    ("1,234.5", "2"): [1234.5, 2.0],
    ("1.234.567", "5.000"): [1234567, 5000],
    ("1.234,5", "1.000"): [1234.5, 1000.0],
    ("1 234", "5"): [1234, 5],
    ("1\u00a0234,5", "5"): [1234.5, 5.0],
    ("1\u202f234\u202f567", "5"): [1234567, 5],
    ("1'234.5", "3"): [1234.5, 3.0],
    ("1\u2019234", "3"): [1234, 3],
    ("1_000", "2_500_000"): [1000, 2500000],
    ("1,00,000", "12,34,567"): [100000, 1234567],
    ("1,000", "850", "999"): [1000, 850, 999],
    ("0,5", "0,25"): [0.5, 0.25],
    ("0,234",): [0.234],
    ("1,5E3", "2"): [1500.0, 2.0],
    ("1e5", "2.5e-3"): [1e5, 2.5e-3],
    ("+5", "-3"): [5, -3],
    ("(12.5)", "3", "(1,000.25)"): [-12.5, 3.0, -1000.25],
    ("10-", "5"): [-10, 5],
    ("\u221210", "5"): [-10, 5],
    ("\u20135", "5"): [-5, 5],
    ("$90,000", "$80,000"): [90000, 80000],
    ("-$5", "$-3", "($2)", "$(7)", "$4-"): [-5, -3, -2, -7, -4],
    ("€ 12,50", "€ 3"): [12.5, 3.0],
    ("12 €", "0", "1.234,56 €"): [12.0, 0.0, 1234.56],
    ("USD 5", "USD 6.5"): [5.0, 6.5],
    ("US$ 5", "US$6"): [5, 6],
    ("CHF 1\u2019234.50",): [1234.5],
    ("1 234 567 zł",): [1234567],
    ("R$ 1.234,56",): [1234.56],
    ("Rs. 1,00,000", "Rs 5"): [100000, 5],
    ("12%", "3.5 %"): [12.0, 3.5],
    ("3 km", "5.2km"): [3.0, 5.2],
    ("1 year", "2 years"): [1, 2],
    ("12 °C", "-13°C"): [12, -13],
    ("5 m2", "6 m2"): [5, 6],
    ("80 km/h", "100 km/h"): [80, 100],
    ("90k", "12.5k"): [90.0, 12.5],
    ("5 sq ft", "7 sq. ft."): [5, 7],
    ("5 per cent", "7 per cent"): [5, 7],
    ("1.125 kg", "2.250 kg"): [1.125, 2.25],
    ("5.", ".5"): [5.0, 0.5],
}


@pytest.mark.parametrize("texts", READ, ids=map(str, READ))
def test_what_people_write_is_read(texts):
    found = _read(*texts, None)
    assert found is not None
    assert found.numbers.to_pylist() == [*READ[texts], None]


@pytest.mark.parametrize(
    "texts",
    [
        ("1.2.3", "2.0.1"),  # versions
        ("192.168.100.101", "192.168.100.102"),  # addresses
        ("1st", "2nd"),
        ("14:30", "9:15"),
        ("2 pm", "3 pm"),
        ("10-20", "3-4"),
        ("1/2", "3/4"),
        ("555-1234", "555-9876"),
        ("+49 301 234 567", "+49 301 234 568"),  # telephone numbers
        ("0x1F", "0x2A"),
        ("A12", "B13"),
        ("Oslo", "Rome"),
        ("5 or more", "10 or more"),
        ("٣", "٤"),
    ],
)
def test_what_is_no_number_is_left_alone(texts):
    assert _read(*texts) is None


@pytest.mark.parametrize(
    ("texts", "settings", "expected"),
    [
        (("1,234", "5,678"), {}, None),
        (("1,234", "5,678"), {"decimal": ","}, [1.234, 5.678]),
        (("1,234", "5,678"), {"thousands": ","}, [1234, 5678]),
        (("1,234", "5,678"), {"file_decimal": "."}, [1234, 5678]),
        (("1,234", "5,678"), {"file_decimal": ","}, [1.234, 5.678]),
        (("1,234", "1500"), {}, None),  # 1234 would have been 1,234 as 1500 is 1500
        (("1.000 €", "900 €"), {}, None),
        (("1.000 €", "900 €"), {"file_decimal": ","}, [1000, 900]),
        (("1.000", "900"), {}, None),
        (("1.000", "900"), {"thousands": "."}, [1000, 900]),
    ],
)
def test_a_mark_that_may_be_either_needs_a_word(texts, settings, expected):
    found = _read(*texts, **settings)
    assert found is not None
    assert (found.numbers.to_pylist() if found.numbers is not None else None) == expected
    assert found.doubt == ("" if expected else "mark")


@pytest.mark.parametrize(
    "texts",
    [
        *(("3 km", "5 mi"), ("5k", "3M"), ("5k", "900"), ("12%", "0.5"), ("$5", "€5")),
        *(("3 kg", "500 g"), ("1 kg", "2 Kg"), ("7 km", "7")),
    ],
)
def test_two_units_are_shown(texts):
    found = _read(*texts)
    assert (found.numbers, found.doubt, found.pair) == (None, "units", texts)


@pytest.mark.parametrize(
    ("texts", "strays"),
    [
        (("x", "1", "2", "3"), ("x",)),
        (("1", "2", "3+"), ("3+",)),
        (("1,234.5", "1.234,5", "1,000.2"), ("1.234,5",)),
        ((">100", "5", "6"), (">100",)),
        (("12", "13", "12A"), ("12A",)),
    ],
)
def test_words_between_numbers_are_named(texts, strays):
    found = _read(*texts)
    assert (found.doubt, found.strays) == ("strays", strays)


def test_new_rows_are_read_in_the_notation_of_the_fit():
    euro = Notation(",", ".", "€")
    assert _read("1.234 €", known=euro).numbers.to_pylist() == [1234]
    assert _read("1,234 €", known=euro).numbers.to_pylist() == [1.234]


LOCALES = {  # decimal mark, mark between thousands
    "English": (".", ","),
    "German": (",", "."),
    "French": (",", "\u202f"),
    "Czech": (",", "\u00a0"),
    "Swiss": (".", "\u2019"),
    "plain": (".", ""),
    "plain comma": (",", ""),
}
FORMS = {
    "-5": "-{}",
    "−5": "\u2212{}",
    "(5)": "({})",
    "5-": "{}-",
}


def _written(value: float, locale: str, form: str, unit: str) -> str:
    mark, separator = LOCALES[locale]
    text = f"{abs(value):,.4f}".replace(",", "\0").replace(".", mark).replace("\0", separator)
    text = unit.format(text)
    return FORMS[form].format(text) if value < 0 else text


@settings(max_examples=150, deadline=None)
@given(
    values=any_of.lists(any_of.integers(-(10**12), 10**12), min_size=1, max_size=20),
    locale=any_of.sampled_from(list(LOCALES)),
    form=any_of.sampled_from(list(FORMS)),
    unit=any_of.sampled_from(["{}", "$ {}", "{} €", "{}%", "{} km", "CHF {}"]),
)
def test_a_number_written_in_any_locale_is_read_back_exactly(values, locale, form, unit):
    numbers = [value / 10_000 for value in values]  # four decimals can be no thousands
    found = _read(*(_written(number, locale, form, unit) for number in numbers))
    assert found is not None
    np.testing.assert_array_equal(np.asarray(found.numbers), numbers)
