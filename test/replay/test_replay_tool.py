#!/usr/bin/env python3
"""pitline replay as a user meets it: test_replay_tool.py PITLINE MAKE_JOURNAL (TAP)"""
import collections
import decimal
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

import tap

PITLINE, MAKE_JOURNAL = sys.argv[1:3]
COMMANDS = 50000
EVERY = 16384


def make(directory, *arguments):
    subprocess.run([MAKE_JOURNAL, directory, *map(str, arguments)], check=True)
    return os.path.join(directory, "journal")


def replay(*arguments, status=0):
    result = subprocess.run([PITLINE, "replay", *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert result.returncode == status, "exit status %d\n%s%s" % (result.returncode, result.stdout, result.stderr)
    return result.stdout, result.stderr


def digests(output):
    found = re.search(r"^events-digest ([0-9a-f]{16}) state-digest ([0-9a-f]{16}) commands (\d+)$", output, re.M)
    assert found, output
    return found.groups()


def fingerprint(directory):
    return {name: (os.stat(os.path.join(directory, name)).st_mtime_ns,
                   hashlib.sha256(open(os.path.join(directory, name), "rb").read()).hexdigest())
            for name in os.listdir(directory)}


def replay_prints_counts_and_a_line_for_scripts():
    before = fingerprint(JOURNAL)
    output, _ = replay(JOURNAL)
    assert digests(output)[2] == str(COMMANDS)
    assert digests(output) == digests(replay(JOURNAL)[0])
    counts = dict((name, int(number)) for name, number in re.findall(r"(\w+) (\d+)[,\n]", output))
    assert sum(counts[kind] for kind in ("new", "cancel", "reduce", "replace", "symbol", "state")) == COMMANDS, output
    assert "whole to its end" in output
    assert fingerprint(JOURNAL) == before, "the replay changed the directory"


def verify_compares_every_digest():
    output, _ = replay(JOURNAL, "--verify")
    assert "verified  %d digests compared, all equal" % (COMMANDS // EVERY + 1) in output, output


def verify_fails_and_names_the_sequence():
    with tempfile.TemporaryDirectory(prefix="pit-replay-") as directory:
        spoiled = make(directory, COMMANDS, 2 * EVERY)
        output, errors = replay(spoiled, "--verify", status=1)
        assert "the digest at sequence %d differs" % (2 * EVERY) in errors, errors
        assert "after %d" % EVERY in errors, errors
        assert "events-digest" not in output, output
        replay(spoiled)


def until_stops_there():
    output, _ = replay(JOURNAL, "--until", 20000, "--verify")
    assert digests(output)[2] == "20000"
    assert "the last is sequence 20000 " in output and "stopped there" in output, output
    assert "verified  1 digest compared" in output, output
    assert "the journal ends before sequence" in replay(JOURNAL, "--until", COMMANDS + 1)[0]


def books_from(path, until):
    """Books by symbol and side from the events alone: price -> [quantity, orders]."""
    orders = {}
    for line in open(path):
        event = json.loads(line)
        key = (event["symbol_id"], event["order_id"])
        kind = event["event"]
        if kind == "rested" or (kind in ("accepted", "replaced") and event["rests"]):
            orders[key] = (event["side"], event["price"], decimal.Decimal(event["quantity"]))
        elif kind == "replaced" or kind == "cancelled":
            orders.pop(key, None)
        elif kind == "reduced":
            orders[key] = orders[key][:2] + (decimal.Decimal(event["quantity"]),)
        elif kind == "trade":
            side, price, quantity = orders[key]
            assert price == event["price"] and side != event["side"], line
            leaves = decimal.Decimal(event["leaves"])
            assert quantity - decimal.Decimal(event["quantity"]) == leaves, line
            orders[key] = (side, price, leaves)
            if leaves == 0:
                del orders[key]
        assert event["sequence"] <= until
    books = collections.defaultdict(lambda: {"buy": {}, "sell": {}})
    for (symbol, _), (side, price, quantity) in orders.items():
        level = books[symbol][side].setdefault(decimal.Decimal(price), [decimal.Decimal(0), 0])
        level[0] += quantity
        level[1] += 1
    return books


def book_printed_is_the_book_of_the_events():
    with tempfile.TemporaryDirectory(prefix="pit-replay-") as directory:
        events = os.path.join(directory, "events")
        until = 30000
        output, _ = replay(JOURNAL, "--events", events, "--until", until)
        printed = int(re.search(r"^events +(\d+)", output, re.M)[1])
        assert printed == sum(1 for _ in open(events)), output
        books = books_from(events, until)
        assert set(books) == {0, 1, 2}
        for symbol in books:
            output, _ = replay(JOURNAL, "--until", until, "--book", "SYM%d" % symbol, "--depth", 0)
            ladder = {"buy": {}, "sell": {}}
            for line in output.splitlines():
                if line.count(" | ") + line.endswith(" |") != 1 or "bid" in line:
                    continue
                left, right = (half.split() for half in (line + " ").split("|"))
                if left:
                    ladder["buy"][decimal.Decimal(left[2])] = [decimal.Decimal(left[1]), int(left[0])]
                if right:
                    ladder["sell"][decimal.Decimal(right[0])] = [decimal.Decimal(right[1]), int(right[2])]
            assert ladder == books[symbol], (symbol, ladder, books[symbol])
            assert ladder["buy"] and ladder["sell"] and max(ladder["buy"]) < min(ladder["sell"])


def events_on_standard_output_are_nothing_but_json():
    output, errors = replay(JOURNAL, "--events", "-", "--until", 5000)
    lines = [json.loads(line) for line in output.splitlines()]
    keys = [(event["event"], event["sequence"], event["index"], event["order_id"]) for event in lines]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys, key=lambda key: key[1:3])
    assert {"defined", "accepted", "rejected", "trade", "cancelled", "reduced", "replaced"} <= {key[0] for key in keys}
    assert digests(errors)[2] == "5000"


def depth_limits_the_ladder():
    output, _ = replay(JOURNAL, "--book", "SYM1", "--depth", 3)
    assert sum(1 for line in output.splitlines() if "|" in line) == 4, output


def mistakes_are_told():
    with tempfile.TemporaryDirectory(prefix="pit-replay-") as directory:
        missing = os.path.join(directory, "missing")
        assert missing in replay(missing, status=1)[1]
        assert directory in replay(directory, status=1)[1]
        unwritable = os.path.join(missing, "events")
        assert unwritable in replay(JOURNAL, "--events", unwritable, status=1)[1]
    errors = replay(JOURNAL, "--book", "NOPE", status=1)[1]
    assert "NOPE" in errors and "SYM0 SYM1 SYM2" in errors, errors
    for arguments in ([], ["a", "b"], [JOURNAL, "--until", "x"], [JOURNAL, "--until", "0"], [JOURNAL, "--nope"],
                      [JOURNAL, "--depth", "-1"]):
        replay(*arguments, status=2)


def journal_being_written_is_replayed_to_its_last_whole_block():
    with tempfile.TemporaryDirectory(prefix="pit-replay-") as directory:
        writer = subprocess.Popen([MAKE_JOURNAL, directory, "400000"])
        seen = 0
        rounds = 0
        while writer.poll() is None:
            result = subprocess.run([PITLINE, "replay", os.path.join(directory, "journal"), "--verify"],
                                    capture_output=True, text=True)
            if seen == 0 and ("no journal in it" in result.stderr or "No such file" in result.stderr):
                continue  # it has not begun
            assert result.returncode == 0, result.stderr
            commands = int(digests(result.stdout)[2])
            assert commands >= seen, "%d commands after %d" % (commands, seen)
            seen = commands
            rounds += 1
        assert writer.returncode == 0
        output, _ = replay(os.path.join(directory, "journal"), "--verify")
        assert digests(output)[2] == "400000"
        print("# %d replays while it was written, the last of %d commands" % (rounds, seen))


with tempfile.TemporaryDirectory(prefix="pit-replay-") as place:
    JOURNAL = make(place, COMMANDS)
    tests = (replay_prints_counts_and_a_line_for_scripts, verify_compares_every_digest,
             verify_fails_and_names_the_sequence, until_stops_there, book_printed_is_the_book_of_the_events,
             events_on_standard_output_are_nothing_but_json, depth_limits_the_ladder, mistakes_are_told,
             journal_being_written_is_replayed_to_its_last_whole_block)
    tap.main(*tests)
