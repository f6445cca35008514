"""Dates and times in every common layout, against datetime and pandas."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kept import kept
from steepest.data.dates import DAY, dates, parts_of
from steepest.data.reading import Reading
from steepest.data.tables import prepare
from steepest.errors import DataError

DAYS = [datetime.datetime(2016, 1, 15) + datetime.timedelta(days=17 * i, hours=5 * i) for i in range(40)]
SECONDS = np.array([(day - datetime.datetime(1970, 1, 1)).total_seconds() for day in DAYS])
LAYOUTS = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p",
    "%m/%d/%y %H:%M", "%d %b %Y %H:%M", "%d-%B-%Y %H:%M", "%B %d, %Y %H:%M", "%a, %d %b %Y %H:%M:%S +0000", "%Y %b %d %H:%M",
    "%Y-%m-%d %H:%M:%S.000+00:00",
]  # fmt: skip


def _text(values) -> pa.ChunkedArray:
    return pa.chunked_array([list(values)], pa.large_string())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_and_read(layout):
    found = dates(_text([*(day.strftime(layout) for day in DAYS), None]))
    assert not found.strays
    assert not found.ambiguous
    np.testing.assert_array_equal(found.instant, [*SECONDS, np.nan])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2016-01", "2016-12"], ["2016-01-01", "2016-12-01"]),
        (["Jan 2016", "Dec 2017"], ["2016-01-01", "2017-12-01"]),
        (["2016Q1", "2016-Q4"], ["2016-01-01", "2016-10-01"]),
        (["05/2016", "12/2016"], ["2016-05-01", "2016-12-01"]),
        (["3rd March 2016", "21 April 2016"], ["2016-03-03", "2016-04-21"]),
        (["1.2.16", "3.4.99"], ["2016-02-01", "1999-04-03"]),
    ],
)
def test_months_quarters_and_short_years(texts, expected):
    np.testing.assert_array_equal(dates(_text(texts)).instant / DAY, np.array(expected, "M8[D]").astype(float))


def test_times_of_the_day():
    found = dates(_text(["14:30", "2:45 PM", "00:00:30.5"]))
    assert found.layout == "time"
    np.testing.assert_array_equal(found.instant, [14.5 * 3600, 14.75 * 3600, 30.5])


def test_zones_count_for_days_and_the_clock_for_parts():
    found = dates(_text(["2016-01-15T10:00:00+02:00", "2016-01-15T10:00:00-05:30"]))
    np.testing.assert_array_equal(found.instant - SECONDS[0], [8 * 3600, 15.5 * 3600])
    np.testing.assert_array_equal(found.wall - SECONDS[0], [10 * 3600, 10 * 3600])


def test_every_typed_column_is_read():
    stamps = pd.Series(DAYS)
    zoned = stamps.dt.tz_localize("UTC").dt.tz_convert("Europe/Oslo")
    for column in (
        pa.array(stamps), pa.array(stamps).cast(pa.timestamp("ns")), pa.array(zoned), pl.Series(DAYS).to_arrow(),
    ):  # fmt: skip
        np.testing.assert_allclose(dates(pa.chunked_array([column])).instant, SECONDS, rtol=0, atol=1e-6)
    zoned_found = dates(pa.chunked_array([pa.array(zoned)]))
    np.testing.assert_array_equal((zoned_found.wall % DAY) / 3600, zoned.dt.hour + zoned.dt.minute / 60)
    days = dates(pa.chunked_array([pa.array([day.date() for day in DAYS])]))
    np.testing.assert_array_equal(days.instant, np.floor(SECONDS / DAY) * DAY)


@pytest.mark.parametrize(
    "texts", [["10-20", "3-4"], ["1.2.3", "4.5.6"], ["Oslo"], ["2016", "2017"], ["555-1234"], ["20160115", "20160116"]]
)
def test_what_is_no_date_is_left_alone(texts):
    assert dates(_text(texts)) is None


def test_days_that_no_month_has_are_strays():
    assert dates(_text(["2016-02-30", "2016-02-29", "2015-02-29"])).strays == ("2016-02-30", "2015-02-29")


def test_day_and_month_are_told_apart_where_a_number_is_above_twelve():
    assert dates(_text(["03/04/2016", "13/04/2016"])).day_first is True
    assert dates(_text(["03/04/2016", "04/13/2016"])).day_first is False
    assert dates(_text(["03/04/2016", "05/06/2016"])).ambiguous == "03/04/2016"
    assert not dates(_text(["03/04/2016", "05/06/2016"]), day_first=True).ambiguous


def test_parts_are_those_of_pandas():
    stamps = pd.Series(DAYS)
    found = parts_of(dates(pa.chunked_array([pa.array(stamps)])))
    clock = stamps.dt.hour + stamps.dt.minute / 60
    expected = {"year": stamps.dt.year}
    for name, values, turn in (
        ("month", stamps.dt.month - 1, 12),
        ("weekday", stamps.dt.day_of_week, 7),
        ("hour", clock, 24),
    ):
        expected |= {f"{name}.sin": np.sin(2 * np.pi * values / turn), f"{name}.cos": np.cos(2 * np.pi * values / turn)}
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12)


# ---- as features and targets of a fit ------------------------------------------------------------

Y = np.arange(40.0)
ISO = [day.date().isoformat() for day in DAYS]


def _sources(tmp_path, name: str, values) -> list[object]:
    frame = pd.DataFrame({name: values, "y": Y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    return [frame, pl.from_pandas(frame), tmp_path / "t.csv", tmp_path / "t.parquet", frame.to_dict("list")]


@pytest.mark.parametrize(
    "values", [ISO, pd.to_datetime(ISO), [day.strftime("%m/%d/%Y") for day in DAYS]], ids=["iso", "typed", "us"]
)
def test_days_count_from_the_earliest_date(tmp_path, values):
    expected = (pd.to_datetime(ISO) - pd.Timestamp("2016-01-15")).days
    for source in _sources(tmp_path, "when", values):
        with pytest.raises(
            DataError, match=r"'when' holds dates.*date={\"when\": \"days\"}.*date={\"when\": \"parts\"}.*drop=\"when\""
        ):
            prepare(source, target="y")
        train, _ = prepare(source, target="y", reading=Reading(date={"when": "days"}))
        assert train.names == ("when",)
        np.testing.assert_array_equal(train.x[:, 0], expected)
        assert "Column 'when' became the days since 2016-01-15." in train.notes
        again = kept(train.schema)
        for new in (["2016-01-20"], pd.to_datetime(["2016-01-20"]), [datetime.date(2016, 1, 20)], ["20 Jan 2016"]):
            np.testing.assert_array_equal(again.encode({"when": new}), [[5.0]])


def test_parts_that_do_not_change_are_left_out_and_new_rows_have_the_same(tmp_path):
    values = [datetime.datetime(2016, 1, 4 + i % 20, i % 24) for i in range(40)]
    for source in _sources(tmp_path, "t", values):
        train, _ = prepare(source, target="y", reading=Reading(date={"t": "parts"}))
        assert train.names == ("t.weekday.sin", "t.weekday.cos", "t.hour.sin", "t.hour.cos")
        np.testing.assert_allclose(train.x[:, 2], np.sin(np.arange(40) % 24 / 24 * 2 * np.pi), atol=1e-12)
        np.testing.assert_array_equal(train.schema.encode(source), train.x)


def test_a_day_or_month_that_may_stand_first_is_asked_for():
    table = {"when": ["03/04/2016", "05/06/2016"] * 20, "y": Y}
    with pytest.raises(DataError, match=r"day or the month may stand first.*date={\"when\": \"days:dayfirst\"}"):
        prepare(table, target="y")
    with pytest.raises(DataError, match=r"'03/04/2016' in row 1 .*date={\"when\": \"days:dayfirst\"}"):
        prepare(table, target="y", reading=Reading(date={"when": "days"}))
    first, second = datetime.date(2016, 4, 3), datetime.date(2016, 6, 5)
    third, fourth = datetime.date(2016, 3, 4), datetime.date(2016, 5, 6)
    for order, days in (("dayfirst", second - first), ("monthfirst", fourth - third)):
        train, _ = prepare(table, target="y", reading=Reading(date={"when": f"days:{order}"}))
        assert train.x[1, 0] == days.days
        assert train.schema.columns[0].day_first is (order == "dayfirst")
    # the fit's order is that of new rows which do not say
    np.testing.assert_array_equal(train.schema.encode({"when": ["03/05/2016"]}), [[1.0]])


def test_a_target_of_dates_is_a_number_of_days():
    table = {"x": Y, "when": ISO}
    for values in (ISO, pd.to_datetime(ISO)):
        with pytest.raises(DataError, match=r"'when' holds dates.*date={\"when\": \"days\"}"):
            prepare({"x": Y, "when": values}, target="when")
    train, _ = prepare(table, target="when", reading=Reading(date={"when": "days"}))
    np.testing.assert_array_equal(train.y, (pd.to_datetime(ISO) - pd.Timestamp("2016-01-15")).days)


def test_missing_dates_are_filled_or_a_feature_of_their_own():
    table = {"when": [*ISO[:39], None], "y": Y}
    with pytest.raises(DataError, match="'when' has a missing value, in row 40"):
        prepare(table, target="y", reading=Reading(date={"when": "days"}))
    for way in ("days", "parts"):
        train, _ = prepare(table, target="y", missing="level", reading=Reading(date={"when": way}))
        assert train.names[-1] == "when is missing"
        np.testing.assert_array_equal(train.x[:, -1], [0.0] * 39 + [1.0])
        np.testing.assert_allclose(train.x[39, :-1], train.x[:39, :-1].mean(axis=0))


def test_a_value_that_is_no_date_is_named():
    table = {"when": [*ISO[:39], "soon"], "y": Y}
    with pytest.raises(
        DataError, match=r"'when' holds dates but for 1 row: row 40 .*'soon'.*missing_values=\[\"soon\""
    ):
        prepare(table, target="y")
    with pytest.raises(DataError, match=r"'when' is to hold dates, and row 40 .*'soon'"):
        prepare(table, target="y", reading=Reading(date={"when": "days"}))


def test_a_time_alone_is_no_date_of_new_rows_and_the_reverse():
    said = Reading(date={"when": "days"})
    days, times = ["2020-01-01", "2020-01-03", "2020-01-04"], ["06:00", "12:00", "18:00"]
    for fitted, other, was in ((days, times, "dates"), (times, days, "times of the day")):
        train, _ = prepare({"when": fitted, "y": [1.0, 2, 4]}, target="y", reading=said)
        schema = kept(train.schema)
        np.testing.assert_array_equal(schema.encode({"when": fitted}), train.x)
        typed = [datetime.time(6)] if other is times else [datetime.date(2020, 1, 1)]
        for new in (other, typed):
            with pytest.raises(DataError, match=rf"'when' holds .* in row 1 .*, and held {was} when the fit was made"):
                schema.encode({"when": new})


@pytest.mark.parametrize("way", ["days", "parts"])
def test_an_order_that_was_said_or_learned_is_not_overruled_by_the_column(way):
    table = {"when": ["01/02/2016", "25/03/2016", "03/04/2017"], "y": [1.0, 2, 4]}
    for texts in (table["when"], ["25/03/2016", "26/03/2016", "27/03/2017"]):
        with pytest.raises(DataError, match=r"the month before the day, and row \d .* has '25/03/2016'"):
            prepare(table | {"when": texts}, target="y", reading=Reading(date={"when": f"{way}:monthfirst"}))
    train, _ = prepare(
        {name: 4 * values for name, values in table.items()}, target="y", reading=Reading(date={"when": way})
    )
    assert train.schema.columns[0].day_first is True
    with pytest.raises(DataError, match=r"the day before the month, and row 2 .* has '01/25/2016'"):
        train.schema.encode({"when": ["01/02/2016", "01/25/2016"]})


def test_points_have_the_month_first_only_where_that_was_said():
    said = Reading(date={"when": "days:monthfirst"})
    table = {"when": ["01.02.2016", "03.15.2016", "04.03.2016"], "y": [1.0, 2, 4]}
    train, _ = prepare(table, target="y", reading=said)
    np.testing.assert_array_equal(train.x[:, 0], [0, 73, 92])
    np.testing.assert_array_equal(train.schema.encode({"when": ["01.03.2016"]}), [[1]])
    with pytest.raises(DataError, match=r"the month before the day, and row 1 .* has '15\.01\.2016'"):
        prepare(table | {"when": ["15.01.2016", "16.01.2016", "17.01.2016"]}, target="y", reading=said)


def test_quarters_may_come_before_their_year():
    quarters = pd.period_range("2010Q3", periods=9, freq="Q")
    found = dates(_text([f"Q{one.quarter} {one.year}" for one in quarters]))
    expected = quarters.to_timestamp().to_numpy().astype("datetime64[s]").astype(float)
    np.testing.assert_array_equal(found.instant, expected)
