#!/usr/bin/env python3
"""pitline replay --what-if: test_what_if_tool.py PITLINE MAKE_JOURNAL (TAP)"""
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile

import tap

PITLINE, MAKE_JOURNAL = sys.argv[1:3]
COMMANDS = 20000
FIRST = 1000000000000000001  # the sequence of an injected command that keeps none of its own
SEED = int(os.environ.get("PIT_SEED", random.SystemRandom().randrange(1 << 32)))
CHANCE = random.Random(SEED)


def cat(*arguments):
    return [json.loads(line) for line in tap.run(PITLINE, "journal", "cat", JOURNAL, *arguments)[0].splitlines()]


def what_if(commands, *arguments, status=0):
    """Commands (or text) injected, as what was printed: a list of JSON objects."""
    feed = commands if isinstance(commands, str) else "".join(json.dumps(command) + "\n" for command in commands)
    output, errors = tap.run(PITLINE, "replay", JOURNAL, "--what-if", "-", "--json", *arguments, feed=feed, status=status)
    return errors if status else [json.loads(line) for line in output.splitlines()]


def results(told):
    journal, other = (next(line for line in told if line.get("result") == world) for world in ("journal", "what_if"))
    return journal, other


def digests(result):
    return result["events"], result["events_digest"], result["state_digest"], result["resting"]


def replayed(until):
    told = json.loads(tap.run(PITLINE, "replay", JOURNAL, "--until", until, "--json")[0])
    return told["events"], told["events_digest"], told["state_digest"], told["resting"]


def fingerprint():
    return {name: hashlib.sha256(open(os.path.join(JOURNAL, name), "rb").read()).hexdigest()
            for name in os.listdir(JOURNAL)}


def journal_injected_into_itself_is_the_journal():
    before = fingerprint()
    lines = tap.run(PITLINE, "journal", "cat", JOURNAL)[0].splitlines(keepends=True)
    for fork, back in ((0, COMMANDS), (0, 500), (7000, 7003), (10000, COMMANDS), (COMMANDS - 1, COMMANDS)):
        # until 0 cannot be asked for: the time before the first command
        until = fork or "@1"
        told = what_if("".join(lines[fork:back]), "--until", until, "--go-on=%d" % (back + 1))
        journal, other = results(told)
        assert digests(journal) == digests(other) == replayed(COMMANDS), (fork, back)
        assert other["different"] == 0 and other["injected"] == other["left_out"] == back - fork, other
        assert other["went_on"] == COMMANDS - back and other["fork"] == fork, other
        journal, other = results(what_if("".join(lines[fork:back]), "--until", until))
        assert digests(journal) == (replayed(fork) if fork else digests(journal)) and journal["sequence"] == fork
        assert digests(other) == replayed(back), (fork, back)
    assert fingerprint() == before, "the journal was changed"


def nothing_injected_changes_nothing():
    journal, other = results(what_if("", "--until", 5000, "--go-on"))
    assert digests(journal) == digests(other) == replayed(COMMANDS) and other["different"] == 0
    journal, other = results(what_if("\n  \n\n"))
    assert digests(journal) == digests(other) == replayed(COMMANDS) and journal["sequence"] == COMMANDS
    journal, other = results(what_if("", "--until", 5000, "--go-on", "--go-on-until", 6000))
    assert digests(journal) == digests(other) == replayed(6000) and other["went_on"] == 1000
    assert results(what_if("", "--until", 5000, "--go-on", "--go-on-until", "@6000999999"))[1]["sequence"] == 6000


def injected_order_gets_an_id_that_no_other_has():
    order = {"command": "new", "symbol": "SYM0", "account": 9, "side": "buy", "price": "0.01", "quantity": "3"}
    told = what_if([order, {"command": "reduce", "symbol": "SYM0", "account": 9, "order_id": FIRST, "quantity": "1"}],
                   "--until", 3000, "--go-on")
    events = [line for line in told if "event" in line and line["in"] == "what_if"][:2]
    assert [(event["event"], event["order_id"]) for event in events] == [("accepted", FIRST), ("reduced", FIRST)], events
    assert [line["sequence"] for line in told if "command" in line and line.get("in") == "what_if" and "event" not in line] \
        == [FIRST, FIRST + 1]
    # a sequence in the file names its order there, whatever the order gets, before an order of the journal
    told = what_if([dict(order, sequence=700, client_id=5), dict(order, client_id=6),
                    {"command": "cancel", "symbol": "SYM0", "account": 9, "order_id": 700},
                    {"command": "cancel", "symbol": "SYM0", "account": 9, "client_id": 6, "sequence": 4000}],
                   "--until", 3000)
    events = [(line["event"], line["order_id"]) for line in told if "event" in line]
    assert events == [("accepted", FIRST), ("accepted", FIRST + 1), ("cancelled", FIRST), ("cancelled", FIRST + 1)], events
    # one after the fork is kept
    told = what_if([dict(order, sequence=3005), {"command": "cancel", "symbol_id": 0, "account": 9, "order_id": 3005}],
                   "--until", 3000)
    assert [(line["event"], line["order_id"]) for line in told if "event" in line] == [("accepted", 3005),
                                                                                       ("cancelled", 3005)], told


def differences_are_those_of_the_events():
    """The events of both worlds, by the journal alone and by a what-if that stops at each place."""
    fork = 12000
    orders = [command for command in cat("--from", fork + 1) if command["command"] == "new" and command["tif"] == "gtc"]
    gone = CHANCE.choice(orders[:50])["sequence"]
    told = what_if("", "--until", gone - 1, "--go-on=%d" % (gone + 1), "--differences", 1000000)
    journal, other = results(told)
    assert digests(journal) == replayed(COMMANDS) and other["left_out"] == 1
    with tempfile.TemporaryDirectory(prefix="pit-what-if-") as directory:
        events = os.path.join(directory, "events")
        tap.run(PITLINE, "replay", JOURNAL, "--events", events)
        real = {}
        for line in open(events):
            event = json.loads(line)
            real.setdefault(event["sequence"], []).append(event)
    different = [line["sequence"] for line in told if line.get("in") == "difference"]
    assert len(different) == other["different"] and different == sorted(set(different)), other
    assert other["first_different"] == (different or [0])[0]
    for sequence in different:
        worlds = {world: [dict(line) for line in told if line.get("sequence") == sequence and line.get("in") == world and
                          "event" in line] for world in ("journal", "what_if")}
        for lines in worlds.values():
            for line in lines:
                del line["in"]
        assert worlds["journal"] == real[sequence] != worlds["what_if"] != [], (sequence, worlds)
        assert not any(event["order_id"] == gone or event.get("taker_order_id") == gone
                       for event in worlds["what_if"] if event["event"] != "rejected"), worlds
    mentioned = {sequence for sequence, events in real.items() if sequence > gone and any(
        (event["order_id"] == gone or event.get("taker_order_id") == gone) and event["event"] != "rejected"
        for event in events)}
    assert mentioned <= set(different), (mentioned, different)
    assert len([line for line in what_if("", "--until", gone - 1, "--go-on=%d" % (gone + 1), "--differences", 1)
                if line.get("in") == "difference"]) == min(1, len(different))


def price_edited_moves_the_trade():
    state = [{"command": "symbol", "symbol_id": 7, "symbol": "NEW", "name": "NEW", "tick_mantissa": 5, "tick_decimals": 1,
              "lot_mantissa": 1, "lot_decimals": 0, "price_min": "0.5", "price_max": "100.0", "quantity_max": "50",
              "orders_max": 10, "levels_max": 10},
             {"command": "new", "symbol": "NEW", "account": 1, "side": "sell", "price": "10.5", "quantity": "5"},
             {"command": "new", "symbol": "NEW", "account": 2, "side": "buy", "market": True, "tif": "ioc", "quantity": "7"},
             {"command": "state", "symbol": "NEW", "state": "halted"},
             {"command": "new", "symbol": "NEW", "account": 2, "side": "buy", "price": "10.5", "quantity": "7"}]
    told = what_if(state, "--until", 100, "--book", "NEW")
    kinds = [(line["event"], line.get("price"), line.get("quantity"), line.get("reason")) for line in told if "event" in line]
    assert kinds == [("defined", None, None, None), ("accepted", "10.5", "5", None), ("accepted", "0.0", "7", None),
                     ("trade", "10.5", "5", None), ("cancelled", "0.0", "2", "ioc_remainder"), ("state", None, None, None),
                     ("rejected", "10.5", "7", "halted")], kinds
    sums = [line for line in told if line.get("since_fork") == "NEW"]
    assert [line["trades"] for line in sums] == [0, 1] and sums[1]["traded"] == "5" and sums[1]["last_price"] == "10.5"


def books_of_both_worlds_are_printed():
    order = {"command": "new", "symbol": "SYM1", "account": 9, "side": "buy", "price": "0.02", "quantity": "3"}
    told = what_if([order], "--until", 3000, "--book", "SYM1", "--depth", 0)
    levels = {world: [line for line in told if line.get("book") == "SYM1" and line["in"] == world]
              for world in ("journal", "what_if")}
    extra = [level for level in levels["what_if"] if dict(level, **{"in": "journal"}) not in levels["journal"]]
    assert len(extra) == 1 and extra[0]["price"] == "0.02" and extra[0]["quantity"] == "3", extra
    text, _ = tap.run(PITLINE, "replay", JOURNAL, "--what-if", "-", "--until", 3000, "--book", "SYM1",
                      feed=json.dumps(order))
    assert text.count("SYM1 after sequence 3000") == 2 and "accepted order %d of account 9: buy 3 at 0.02, rests" % FIRST in text
    assert "no symbol 'NOPE'" in what_if([], "--book", "NOPE", status=1)


def snapshot_serves_as_the_fork():
    path = os.path.join(JOURNAL, "snapshot-%020d.pit" % 15000)
    tap.run(PITLINE, "snapshot", JOURNAL, "--at", 15000)
    try:
        feed = "".join(json.dumps(command) + "\n" for command in cat("--from", 2001, "--to", 2100))
        arguments = ("replay", JOURNAL, "--what-if", "-", "--json", "--until", 16000, "--go-on")
        wanted = tap.run(PITLINE, *arguments, feed=feed)
        assert tap.run(PITLINE, *arguments, "--from-snapshot", feed=feed) == wanted and wanted[1] == ""
        with open(path, "r+b") as file:
            file.seek(100)
            file.write(b"spoilt")
        output, errors = tap.run(PITLINE, *arguments, "--from-snapshot", feed=feed)
        assert output == wanted[0] and path in errors and "warning" in errors, errors
    finally:
        os.remove(path)


def mistakes_are_told_with_their_place():
    good = '{"command":"cancel","symbol":"SYM0","account":1,"order_id":5}\n'
    for text, told in (
            (good + '{"command":"cancel"', "-:2: column 20: a comma or a closing }"),
            (good + "\n" + '{"command":"new","symbol":"SYM0","account":1,"side":"up"}\n', "-:3: column 53: \"side\": 'up' is none of"),
            ('{"command":"cancel","symbol":"XYZ","account":1,"order_id":5}', "-:1: column 30: \"symbol\": there is no symbol"),
            (good.replace("}", ',"sequence":500}') * 2, "-:2: \"sequence\": 500 does not come after 500 in line 1"),
            (good.replace("}", ',"sequence":%d}' % FIRST), "-:1: \"sequence\": %d is kept for" % FIRST),
            ("x" * 9000 + "\n", "-:1: the line is longer than")):
        errors = what_if(text, "--until", 100, status=1)
        assert told in errors, (told, errors)
    missing = os.path.join(JOURNAL, "missing.json")
    assert missing in tap.run(PITLINE, "replay", JOURNAL, "--what-if", missing, status=1)[1]
    assert "cannot go on with sequence 90: the fork is after 100" in what_if("", "--until", 100, "--go-on=90", status=1)
    assert "ends at sequence %d, before" % COMMANDS in what_if("", "--until", COMMANDS + 1, status=1)
    for wrong in (["--go-on"], ["--differences", "3"], ["--what-if", "-", "--go-on-until", "5"], ["--what-if", "-", "--step"],
                  ["--what-if", "-", "--verify"], ["--what-if", "-", "--order", "5"], ["--what-if", "-", "--go-on=x"],
                  ["--what-if", "-", "--from-snapshot=5"], ["--memory", "5"], ["--what-if", "-", "--events", "x"]):
        tap.run(PITLINE, "replay", JOURNAL, *wrong, status=2)


print("# PIT_SEED=%d" % SEED)
with tempfile.TemporaryDirectory(prefix="pit-what-if-") as place:
    subprocess.run([MAKE_JOURNAL, place, str(COMMANDS)], check=True)
    JOURNAL = os.path.join(place, "journal")
    tap.main(journal_injected_into_itself_is_the_journal, nothing_injected_changes_nothing,
             injected_order_gets_an_id_that_no_other_has, differences_are_those_of_the_events,
             price_edited_moves_the_trade, books_of_both_worlds_are_printed, snapshot_serves_as_the_fork,
             mistakes_are_told_with_their_place)
