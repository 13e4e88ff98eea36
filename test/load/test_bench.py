#!/usr/bin/env python3
"""`pitline bench book`: every flow and every measurement from end to end, in small. What it prints is checked for what
must hold on any machine: that the counts add up, that nothing was refused, and that a seed decides everything but time."""
import json
import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import pitline  # noqa: E402

SANITIZED = os.environ.get("PIT_SANITIZE", "none") != "none"
FLOWS = pitline.run("bench", "book", "--flow", "list").split()
COUNT = 3000


def bench(*arguments, status=0):
    return pitline.run("bench", "book", *[str(argument) for argument in arguments], status=status)


def figures(*arguments):
    return json.loads(bench("--json", *arguments))


def groups(rows):
    """The rows of each flow and kind of ids."""
    found = {}
    for row in rows:
        found.setdefault((row["flow"], row["ids"]), []).append(row)
    return found


def every_flow_is_measured_and_nothing_is_refused():
    got = figures("--flow", ",".join(FLOWS), "--count", COUNT, "--runs", 1, "--resting", 500)
    rows = got["throughput"]
    assert [(row["flow"], row["ids"]) for row in rows] == [(f, i) for f in FLOWS for i in ("exchange", "client")]
    for row in rows:
        assert row["commands"] == COUNT and row["refused"] == 0, row
        swept = row["flow"] in ("swing-25", "swing-40", "flash-crash")  # in a run this short by the price itself
        assert row["resting"] > (0 if swept else 300) and 0 < row["levels"] <= row["resting"], row
        assert row["plain_ns"] > 0 and row["ahead_ns"] > 0, row
        assert 16 < row["bytes_per_order"] < 1000000, row
    assert got["machine"] and got["count"] == COUNT and got["seed"] == 1, got


def the_seed_decides_everything_but_time():
    def fixed(seed):
        rows = figures("--flow", "normal,wide,old", "--count", COUNT, "--runs", 1, "--resting", 500, "--seed", seed)
        return [[row[key] for key in ("flow", "ids", "resting", "levels")] for row in rows["throughput"]]
    assert fixed(5) == fixed(5)
    assert fixed(5) != fixed(6)


def symbols_share_the_orders():
    for symbols in (7, 1000):
        for row in figures("--flow", "exchange,swing-40,wide", "--count", COUNT, "--runs", 1, "--symbols", symbols,
                           "--resting", 4000)["throughput"]:
            assert row["refused"] == 0 and 3000 <= row["resting"] <= 5500, row


def latencies_are_of_every_command():
    rows = figures("--latency", "--flow", "mixed,swing-25,sweep", "--count", COUNT, "--runs", 2, "--resting", 500)
    assert set(rows) >= {"latency"} and "throughput" not in rows, rows.keys()
    found = groups(rows["latency"])
    assert len(found) == 6, found.keys()
    for (flow, _), kinds in found.items():
        operations = {row["operation"] for row in kinds}
        assert operations >= {"new", "aggressor", "clock"}, operations
        assert (flow == "mixed") == ("reduce" in operations), operations
        assert sum(row["commands"] for row in kinds if row["operation"] != "clock") == 2 * COUNT, kinds
        for row in kinds:
            assert 0 <= row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"], row


def instructions_are_counted_for_each_kind():
    got = figures("--instructions", "--flow", "mixed,depth", "--ids", "client", "--count", COUNT, "--resting", 500)
    for row in got["counters"]:
        assert set(row) == {"flow", "ids", "instructions", "cycles", "cache_misses", "branch_misses"}, row
    for (_, _), kinds in groups(got["instructions"]).items():
        assert {row["operation"] for row in kinds} >= {"new", "cancel", "replace", "aggressor"}, kinds
        assert sum(row["commands"] for row in kinds) == COUNT, kinds
        for row in kinds:
            assert 50 < row["instructions"] < 100000, row
    again = figures("--instructions", "--flow", "depth", "--ids", "client", "--count", COUNT, "--resting", 500)
    first = [row for row in got["instructions"] if row["flow"] == "depth"]
    for before, after in zip(first, again["instructions"]):
        assert abs(before["instructions"] - after["instructions"]) < 1, (before, after)


def valgrind_runs_this_build():
    """Not where it is missing, or too old for the compiler's debug information."""
    return shutil.which("valgrind") and subprocess.run(["valgrind", "--tool=none", pitline.BINARY, "--version"],
                                                       capture_output=True).returncode == 0


def without_valgrind_it_says_so():
    result = subprocess.run([pitline.BINARY, "bench", "book", "--instructions", "--flow", "old", "--count", "100",
                             "--resting", "100"], capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert result.returncode == 1 and "valgrind, which is not installed" in result.stderr, result
    assert "branch misses" in result.stdout and "callgrind" not in result.stdout, result


def what_needs_no_valgrind_is_in_the_json_without_it():
    result = subprocess.run([pitline.BINARY, "bench", "book", "--instructions", "--constant-time", "--flow", "old",
                             "--ids", "client", "--count", "1000", "--resting", "1000", "--levels", "1", "--runs", "1",
                             "--json"], capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert result.returncode == 1 and "valgrind, which is not installed" in result.stderr, result
    got = json.loads(result.stdout)
    assert [row["flow"] for row in got["counters"]] == ["old"], got
    assert len(got["by_resting"]) == 1 and len(got["by_levels"]) == 1, got
    assert "instructions" not in got and "valgrind, which is not installed" in got["missing"], got


def tables_over_orders_and_prices_have_every_step():
    def steps(rows):
        return [(row["ids"], row["resting"], row["levels"]) for row in rows]
    got = figures("--constant-time", "--resting", 10000, "--levels", 100, "--count", 6000, "--runs", 2)
    assert "missing" not in got, got["missing"]
    both = ("exchange", "client")
    assert steps(got["by_resting"]) == [(ids, orders, 100) for ids in both for orders in (1000, 10000)], got
    assert steps(got["by_levels"]) == [(ids, 10000, levels) for ids in both for levels in (1, 10, 100)], got
    for ids in both:
        alone = figures("--constant-time", "--resting", 1000, "--levels", 10, "--count", 3000, "--runs", 1, "--ids", ids)
        assert steps(alone["by_resting"]) == [(ids, 1000, 10)], alone
        assert steps(alone["by_levels"]) == [(ids, 1000, 1), (ids, 1000, 10)], alone
    for row in got["by_resting"] + got["by_levels"]:
        for kind in ("new", "cancel", "replace", "aggressor"):
            assert row["plain_%s_ns" % kind] > 0 and row["ahead_%s_ns" % kind] > 0, row
        assert row["refused"] == 0, row


def what_does_not_fit_into_memory_is_left_out():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (250 << 20, 250 << 20))
    result = subprocess.run([pitline.BINARY, "bench", "book", "--constant-time", "--resting", "1000000", "--levels",
                             "1", "--count", "2000", "--runs", "1", "--ids", "client", "--json"], capture_output=True, text=True, preexec_fn=limit)
    assert result.returncode == 0, result
    got = json.loads(result.stdout)
    assert [row["resting"] for row in got["by_resting"]][:2] == [1000, 10000], got
    assert [row["resting"] for row in got["by_resting"]][-1] < 1000000, got
    assert any("1000000 orders on 1 prices left out" in note for note in got["notes"]), got


def tables_for_people_say_the_same():
    output = bench("--flow", "old,swing-40", "--ids", "client", "--count", COUNT, "--runs", 1, "--resting", 500)
    lines = output.strip().split("\n")
    assert lines[0].startswith("machine: "), output
    assert [line.split()[:2] for line in lines[-2:]] == [["old", "client"], ["swing-40", "client"]], output
    assert lines[-3].split()[:4] == ["flow", "ids", "resting", "levels"], output
    output = bench("--constant-time", "--resting", 1000, "--levels", 1, "--count", 3000, "--runs", 1)
    assert output.count("refused") == 2, output
    assert [line.split()[:3] for line in output.split("\n") if line.startswith(("exchange", "client"))] == [
        ["exchange", "1000", "1"], ["client", "1000", "1"]] * 2, output


def nonsense_is_refused():
    for arguments, saying in (
            (["--flow", "nothing"], "there is no flow 'nothing'"),
            (["--flow", "old,"], "there is no flow ''"),
            (["--count", "0"], "--count"),
            (["--resting", "10000001"], "10000000"),
            (["--symbols", "10001"], "10000"),
            (["--ids", "mine"], "--ids"),
            (["--runs", "-1"], "--runs"),
            (["--levels", "x"], "--levels"),
    ):
        output = bench(*arguments, status=2)
        assert saying in output, output


if __name__ == "__main__":
    tests = [every_flow_is_measured_and_nothing_is_refused, the_seed_decides_everything_but_time,
             symbols_share_the_orders, latencies_are_of_every_command, without_valgrind_it_says_so,
             what_needs_no_valgrind_is_in_the_json_without_it,
             tables_over_orders_and_prices_have_every_step, tables_for_people_say_the_same, nonsense_is_refused]
    if not SANITIZED:  # a sanitizer needs all address space
        tests.append(what_does_not_fit_into_memory_is_left_out)
        if valgrind_runs_this_build():
            tests.append(instructions_are_counted_for_each_kind)
    pitline.main(*tests)
