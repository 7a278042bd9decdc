"""The parts of the benchmark that need no machine: statistics, the rule of validity, tables, plots."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import hello
import pytest
import report
from figure import Figure, number
from machine import CoreTimes, client_kept_up
from stats import median, paired_ratio, percentile
from svg import Bar, bar_chart, ticks

STAT = """\
cpu  300 0 100 700 20 5 5 10 0 0
cpu0 100 0 50 300 10 0 5 5 0 0
cpu1 200 0 50 400 10 5 0 5 0 0
intr 1 2 3
"""


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 5), (90, 9), (99, 10), (100, 10)])
def test_percentile_is_the_nearest_rank(percent, expected):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_percentile_refuses_what_is_no_percentage(percent):
    with pytest.raises(ValueError):
        percentile([1.0], percent)


def test_median_of_even_and_odd_counts():
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    with pytest.raises(ValueError):
        median([])


def test_paired_ratio_is_blind_to_what_slows_both():
    assert paired_ratio([50, 5, 50], [100, 10, 100]) == 0.5
    with pytest.raises(ValueError):
        paired_ratio([1], [1, 2])


def test_core_times_are_read_for_the_core_that_is_asked_for():
    assert CoreTimes.parse(STAT, 1) == CoreTimes(total=670, idle=410, stolen=5)
    with pytest.raises(ValueError):
        CoreTimes.parse(STAT, 2)


def test_stolen_time_counts_as_busy():
    before = CoreTimes(total=100, idle=50, stolen=0)
    assert before.busy_until(CoreTimes(total=200, idle=60, stolen=40)) == pytest.approx(0.9)
    assert before.busy_until(before) == 0


def test_a_run_is_invalid_when_its_client_had_no_time_left():
    assert client_kept_up(0.90)
    assert not client_kept_up(0.901)


def run(requests_per_second: float, valid: bool = True) -> dict:
    return {"requests_per_second": requests_per_second, "valid": valid}


def test_ratio_leaves_rounds_with_an_invalid_run_out():
    runs = {"a": [run(60), run(10), run(50)], "b": [run(100), run(100, valid=False), run(100)]}
    assert hello.ratio(runs, "a", "b") == pytest.approx(0.55)


def test_ratio_of_no_valid_round_is_not_invented():
    assert hello.ratio({"a": [run(1)], "b": [run(1, valid=False)]}, "a", "b") is None


@pytest.mark.parametrize(("figure", "met", "text"), [
    (Figure("x", 1.5, at_most=1.5), True, "yes"),
    (Figure("x", 1.51, at_most=1.5), False, "**no**"),
    (Figure("x", 0.5, at_least=0.5), True, "yes"),
    (Figure("x", 0.49, at_least=0.5), False, "**no**"),
    (Figure("x", None, at_least=0.5), None, "not measured"),
    (Figure("x", 3.0), None, ""),
])
def test_a_goal_is_met_or_not_as_the_number_says(figure, met, text):
    assert figure.met is met
    assert figure.met_text() == text
    assert figure.as_json()["met"] is met


@pytest.mark.parametrize(("value", "text"), [(0.6123, "0.612"), (1.5, "1.50"), (3.749, "3.75"), (20.4, "20.4"), (158.4, "158"),
                                             (61349.0, "61 300"), (1000.4, "1 000"), (0, "0.00")])
def test_numbers_have_three_significant_digits(value, text):
    assert number(value) == text


def test_table_names_goal_and_verdict():
    text = report.table([Figure("speed", 0.4, "µs", at_most=0.3, note="aim 0.2")])
    assert "| speed (aim 0.2) | 0.400 µs | ≤ 0.3 µs | **no** |" in text


def test_only_what_stands_between_the_markers_is_replaced():
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.between_markers(text, "new\n") == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    for broken in ("nothing", f"{report.END}{report.BEGIN}", text + text):
        with pytest.raises(ValueError):
            report.between_markers(broken, "new")


@pytest.mark.parametrize(("top", "expected"), [(5.0, [0, 1, 2, 3, 4, 5]), (5.1, [0, 2, 4, 6]), (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
                                               (97_000, [0, 20_000, 40_000, 60_000, 80_000, 100_000])])
def test_ticks_are_round_and_reach_the_largest_value(top, expected):
    assert ticks(top) == pytest.approx(expected)


@pytest.mark.parametrize("top", [0, -1, float("inf"), float("nan")])
def test_an_axis_without_extent_is_refused(top):
    with pytest.raises(ValueError):
        ticks(top)


def test_chart_is_well_formed_and_scales_its_bars():
    svg = bar_chart("a < b & c", "ms", [Bar("<ours>", [10, 20, 30], main=True), Bar("peer", [40])], goal=25, goal_label="goal")
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(rect.get("width")) for rect in root.iter(f"{space}rect") if "bar" in rect.get("class")]
    assert bars[1] == pytest.approx(2 * bars[0])
    assert len(list(root.iter(f"{space}circle"))) == 4
    assert root.find(f"{space}title").text == "a < b & c"
    with pytest.raises(ValueError):
        bar_chart("nothing", "ms", [])
