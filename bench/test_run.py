"""The parts of the benchmark that need no machine: statistics, the rule of validity, tables, plots."""

from __future__ import annotations

import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import app_channel
import neighbours
import overload
import peers
import pytest
import report
import run as bench
import scale
import trilby
import wrk
from figure import Figure, number
from load import Load
from machine import CoreTimes, client_kept_up
from soak import lifecycle
from stats import median, paired_ratio, percentile, percentile_of_counts
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


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (40, 1), (41, 5), (99, 5), (100, 9)])
def test_percentile_of_counts_is_that_of_the_samples(percent, expected):
    counts = [(9, 1), (1, 40), (5, 59)]
    assert percentile_of_counts(counts, percent) == expected
    assert percentile([value for value, count in counts for _ in range(count)], percent) == expected


def test_percentile_of_no_counts_is_refused():
    with pytest.raises(ValueError):
        percentile_of_counts([], 50)


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


def test_load_is_read_from_what_its_program_prints():
    load = Load.parse('{"due": 10, "starved": 1, "failed": 2, "took_us": 500000, "answers": {"200": [[100, 4], [300, 1]], "503": [[20, 3]]}, '
                      '"late": [[1, 8]]}')
    assert (load.count(200), load.count(503), load.count(404)) == (5, 3, 0)
    assert load.seconds == 0.5
    assert load.percentile_us(50) == 100
    assert load.percentile_us(99) == 300
    assert load.percentile_us(50, 503) == 20
    assert load.other_than(200, 503) == 2


def test_metrics_are_summed_over_their_series():
    page = '# HELP calls x\ncalls{function="a",reason="ok"} 2\ncalls{function="b",reason="ok"} 3\ncalls{function="a",reason="trap"} 7\ncalls_live 1\n'
    assert trilby.sum_of(page, "calls") == 12
    assert trilby.sum_of(page, "calls", 'reason="ok"') == 5
    assert trilby.sum_of(page, "calls", 'reason="denied"') == 0
    assert trilby.sum_of(page, "calls_live") == 1
    with pytest.raises(RuntimeError):
        trilby.sum_of(page, "call")


def test_manifests_are_written_with_what_they_need():
    text = trilby.route("/hello", "hello") + trilby.function("hello", Path("/m.wasm"), concurrency=1, wall="1m")
    read = tomllib.loads(text)
    assert read["app"]["bench"]["route"] == [{"method": "GET", "path": "/hello", "function": "hello"}]
    assert read["function"]["hello"]["limits"] == {"concurrency": 1, "wall": "1m"}
    assert "limits" not in tomllib.loads(trilby.function("hello", Path("/m.wasm")))["function"]["hello"]


def test_numbered_modules_differ_in_what_they_say_and_have_a_route_each(tmp_path):
    guest = tmp_path / "hello.wasm"
    guest.write_bytes(b"\0asm....hello....")
    modules = scale.numbered_modules(guest, tmp_path / "modules", 401)
    assert modules[400][1].read_bytes() == b"\0asm....h0400...."
    apps = tomllib.loads(scale.of_functions(modules))["app"]
    assert {name: len(app["route"]) for name, app in apps.items()} == {"bench": 200, "bench1": 200, "bench2": 1}
    assert len({app["port"] for name, app in apps.items() if name != "bench"} | {trilby.FIRST_PORT}) == 3


def test_memory_of_each_leaves_the_system_itself_out():
    assert scale.each_kib({"1": 10.0, "1000": 10.0 + 999 * 20 / 1024}, 1000) == pytest.approx(20)


def test_a_part_that_takes_too_long_is_given_up():
    with pytest.raises(TimeoutError), bench.at_most(1):
        while True:
            pass
    with pytest.raises(TimeoutError), bench.at_most(0):
        pass


def test_every_part_can_be_chosen(tmp_path):
    assert tuple(bench.parts(tmp_path, tmp_path, quick=True)) == bench.NAMES


def noisy(p99: float, not_answered: int = 0) -> dict:
    return {"p50_us": 10, "p99_us": p99, "not_answered": not_answered}


def test_neighbours_are_held_against_the_quiet_run_of_their_round():
    runs = {neighbours.QUIET: [noisy(100), noisy(200)], neighbours.TWO: [noisy(300), noisy(1400, 1)], neighbours.MANY: [noisy(1), noisy(1)]}
    ratio, unanswered, *_ = neighbours.figures({"runs": runs, "rate": 1000})
    assert (ratio.measured, ratio.met) == (5.0, True)
    assert (unanswered.measured, unanswered.met) == (1, False)


def test_overload_counts_what_is_neither_answered_nor_shed():
    heavy = {"goodput": 95, "p99_us": 300, "neither": 2, "due_per_second": 400}
    one = {"capacity": 100, "light": {"p99_us": 100}, "heavy": heavy}
    goodput, late, neither, *_ = overload.figures({"runs": {overload.TUNED: [one]}})
    assert (goodput.measured, goodput.met) == (0.95, True)
    assert (late.measured, late.met) == (3.0, True)
    assert neither.met is False


def test_a_peer_that_is_not_there_is_named_and_not_invented():
    runs = {peers.TRILBY: [run(700)], peers.SERVE: [run(100)]}
    missing = {name: "no such thing" for name in peers.WHAT if name not in runs}
    result = {"runs": runs, "missing": missing, "connections": 32, "alone_us": {name: [1, 2, 3] for name in runs},
              "idle_mib": dict.fromkeys(runs, 1.0), "loaded_mib": dict.fromkeys(runs, 2.0), "start_ms": {name: [3.0] for name in runs}}
    serve, process, *_ = peers.figures(result)
    assert (serve.measured, serve.met) == (7.0, True)
    assert (process.measured, process.met, process.note) == (None, None, "no such thing")
    assert f"| {peers.PROCESS} ({peers.WHAT[peers.PROCESS]}) | not measured: no such thing |" in peers.table(result)


def run(requests_per_second: float, valid: bool = True) -> dict:
    return {"requests_per_second": requests_per_second, "valid": valid, "p50_us": 1000, "p99_us": 2000}


def test_ratio_leaves_rounds_with_an_invalid_run_out():
    runs = {"a": [run(60), run(10), run(50)], "b": [run(100), run(100, valid=False), run(100)]}
    assert wrk.ratio(runs, "a", "b") == pytest.approx(0.55)


def test_ratio_of_no_valid_round_is_not_invented():
    assert wrk.ratio({"a": [run(1)], "b": [run(1, valid=False)]}, "a", "b") is None


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
    begin, end = "<!-- soak:begin -->", "<!-- soak:end -->"
    text = f"before\n{begin}\nold\n{end}\nafter\n<!-- bench:begin -->"
    assert report.between_markers(text, "soak", "new\n") == f"before\n{begin}\nnew\n{end}\nafter\n<!-- bench:begin -->"
    for broken in ("nothing", f"{end}{begin}", text + text):
        with pytest.raises(ValueError):
            report.between_markers(broken, "soak", "new")


def test_docs_have_a_place_for_both_reports():
    docs = (Path(report.__file__).parents[1] / "docs/benchmarks.md").read_text()
    for name in ("bench", "soak"):
        assert "\nnew\n" in report.between_markers(docs, name, "new")


def test_what_the_lifecycle_run_found_becomes_figures():
    found = {"times": 5, "requests": 900, "failed": 1, "in_flight": 7, "unclean": 0, "examples": ["reset"]}
    lost, unclean = lifecycle.figures("crash", found)
    assert (lost.met, lost.note, unclean.met) == (False, "reset", True)


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


def app_result() -> dict:
    """Trilby twice as good as Go over HTTP; Go over gRPC with the most requests."""
    def runs(requests: float, cpu: float) -> list[dict]:
        return [{"requests_per_second": requests * noise, "p99_us": 5000, "app_cpu_us": cpu * noise, "app_pss_mib": 20} for noise in (1.0, 1.1, 0.9)]

    def deliveries(events: float, cpu: float) -> list[dict]:
        return [{"events_per_second": events, "app_cpu_us": cpu}] * 3

    numbers = {app_channel.TRILBY: (2000, 50), app_channel.TRILBY_H2C: (3000, 40), app_channel.TRILBY_GRPC: (4400, 30), "Go, go-sdk, HTTP": (1000, 100), "Go, go-sdk, gRPC": (4000, 25)}
    return {"missing": {"Node, @dapr/dapr, HTTP": "no network"}, "invoke": {name: runs(*of) for name, of in numbers.items()},
            "deliver": {name: deliveries(*of) for name, of in numbers.items()}}


def test_an_app_is_held_against_the_best_of_the_others():
    figures = {figure.what: figure for figure in app_channel.figures(app_result())}
    requests = figures["behind daprd: requests/s, Trilby, HTTP/1.1 ÷ the best of the others"]
    assert (requests.measured, requests.note, requests.met) == (0.5, "Go, go-sdk, gRPC", False)
    cpu = figures["behind daprd: the app's CPU time per request, Trilby, HTTP/1.1 ÷ the best of the others over HTTP"]
    assert (cpu.measured, cpu.note, cpu.met) == (0.5, "Go, go-sdk, HTTP", True)
    over_http2 = figures["behind daprd: the app's CPU time per request, Trilby, HTTP/2 ÷ the best of the others over HTTP"]
    assert (over_http2.measured, over_http2.note, over_http2.met) == (0.4, "Go, go-sdk, HTTP", True)
    over_grpc = figures["behind daprd: the app's CPU time per request, Trilby, gRPC ÷ the best of the others over gRPC"]
    assert (over_grpc.measured, over_grpc.note, over_grpc.met) == (1.2, "Go, go-sdk, gRPC", False)


def test_the_table_of_apps_says_which_are_missing():
    rows = app_channel.table(app_result()).splitlines()
    assert rows[2].startswith("| Trilby, HTTP/1.1 | 2 000 | 5.00 ms | 50.0 µs | 20.0 MiB | 2 000 | 50.0 µs |")
    assert "| Node, @dapr/dapr, HTTP | not measured: no network | | | | | |" in rows
