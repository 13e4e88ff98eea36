#!/usr/bin/env python3
"""pitline replay at a time, and the life of an order: test_travel_tool.py PITLINE MAKE_JOURNAL (TAP)"""
import collections
import decimal
import json
import os
import random
import subprocess
import sys
import tempfile

import journal_file
import tap
from tap import digests

PITLINE, MAKE_JOURNAL = sys.argv[1:3]
COMMANDS = 40000  # their times: a millisecond from one to the next, the first at 0.001 s
SEED = int(os.environ.get("PIT_SEED", random.SystemRandom().randrange(1 << 32)))
CHANCE = random.Random(SEED)


def replay(*arguments, status=0):
    return tap.run(PITLINE, "replay", JOURNAL, *arguments, status=status)


def lines(*arguments, status=0):
    return [json.loads(line) for line in replay(*arguments, "--json", status=status)[0].splitlines()]


def until_a_time_is_until_the_last_command_not_later():
    for sequence, times in ((12345, ("1970-01-01T00:00:12.345Z", "1970-01-01T00:00:12.345999999Z",
                                     "1970-01-01 00:00:12.3450", "@12345000000", "@12345999999")),
                            (12000, ("1970-01-01T00:00:12", "1970-01-01T00:00:12Z")),
                            (11999, ("@11999999999", "1970-01-01T00:00:11.999999999Z"))):
        wanted = digests(replay("--until", sequence)[0])
        for time in times:
            output, _ = replay("--until", time, "--verify")
            assert digests(output) == wanted, (time, output)
            assert "the last is sequence %d of 1970-01-01T00:00:%02d.%03d000000Z; stopped there" % (
                sequence, sequence // 1000, sequence % 1000) in output, (time, output)
    output, _ = replay("--until", "1970-01-01T00:01")
    assert digests(output)[2] == str(COMMANDS) and "the journal ends before that time" in output, output
    for time in ("2026-11-21", "2024-02-29", "2100-12-31T23:59:59.999999999Z"):
        assert "ends before that time" in replay("--until", time)[0]
    output, _ = replay("--until", "1970-01-01T00:00:00.000999999Z")
    assert digests(output)[2] == "0" and "the first command is later" in output, output


def until_a_time_uses_a_snapshot_not_later():
    for at in (10000, 20000):
        tap.run(PITLINE, "snapshot", JOURNAL, "--at", at)
    try:
        for time, used in (("@9999999999", None), ("@10000000000", 10000), ("@19999999999", 10000),
                           ("@25000000000", 20000)):
            output, errors = replay("--until", time, "--from-snapshot")
            assert digests(output) == digests(replay("--until", time)[0]) and errors == ""
            assert ("of sequence %d," % used in output) if used else "snapshot" not in output, output
        assert "later than the time" in replay("--until", "@19999999999", "--from-snapshot=20000", status=1)[1]
    finally:
        remove_snapshots()


def remove_snapshots():
    for name in os.listdir(JOURNAL):
        if name.endswith(".pit"):
            os.remove(os.path.join(JOURNAL, name))


def wrong_moments_and_names_are_told():
    for wrong in ("0", "x", "-1", "1.5", "", "@", "@0", "@x", "2026-", "2026-1-1", "2026-13-01", "2026-00-01", "2026-02-30",
                  "2025-02-29", "2100-02-29", "2026-11-21T", "2026-11-21T9:30", "2026-11-21T24:00", "2026-11-21T09:60",
                  "2026-11-21T09:30:60", "2026-11-21T09:30:00.", "2026-11-21T09:30:00.1234567890Z",
                  "2026-11-21T09:30:00+01:00", "1969-12-31", "1970-01-01", "2026-11-21Z ", "18446744073709551616"):
        errors = replay("--until", wrong, status=2)[1]
        assert "'%s'" % wrong in errors and "2026-11-21T09:30:00.123456789Z" in errors, errors
    for wrong in (["--order", "0"], ["--order", "x"], ["--client-order", "7"], ["--client-order", "7:"],
                  ["--client-order", ":7"], ["--client-order", "0:7"], ["--client-order", "7:0"],
                  ["--client-order", "4294967296:1"], ["--client-order", "7:1x"], ["--order", "5", "--order", "6"],
                  ["--order", "5", "--client-order", "1:1"], ["--json", "--events", "-"]):
        replay(*wrong, status=2)


class Lives:
    """Every order's life, told from the events and the commands alone."""

    def __init__(self, until):
        with tempfile.TemporaryDirectory(prefix="pit-travel-") as directory:
            path = os.path.join(directory, "events")
            replay("--events", path, "--until", until)
            self.events = [json.loads(line) for line in open(path)]
        self.of = collections.defaultdict(list)
        self.left = {}
        self.client = collections.defaultdict(list)
        for event in self.events:
            getattr(self, event["event"], lambda event: None)(event)

    def tell(self, order_id, event, **what):
        self.of[order_id].append(dict(what, sequence=event["sequence"]))

    def accepted(self, event):
        self.tell(event["order_id"], event, what="entered", quantity=event["quantity"], price=event["price"])
        self.left[event["order_id"]] = event["quantity"]
        if event["client_id"]:
            self.client[event["account"], event["client_id"]].append(event["order_id"])

    def trade(self, event):
        for order, left, role, other in ((event["order_id"], event["leaves"], "maker", event["taker_order_id"]),
                                         (event["taker_order_id"], event["taker_leaves"], "taker", event["order_id"])):
            self.tell(order, event, what="traded", quantity=event["quantity"], price=event["price"], left=left, role=role,
                      other_order_id=other)
            self.left[order] = left

    def rested(self, event):
        self.tell(event["order_id"], event, what="rested", quantity=event["quantity"], price=event["price"])

    def reduced(self, event):
        self.tell(event["order_id"], event, what="reduced", quantity=event["quantity"],
                  quantity_old=event["quantity_old"])
        self.left[event["order_id"]] = event["quantity"]

    def replaced(self, event):
        self.tell(event["order_id"], event, what="replaced", quantity=event["quantity"], price=event["price"],
                  price_old=event["price_old"], quantity_old=event["quantity_old"])
        self.left[event["order_id"]] = event["quantity"]

    def cancelled(self, event):
        self.tell(event["order_id"], event, what="cancelled", quantity=event["quantity"], reason=event["reason"])
        self.left[event["order_id"]] = "0"

    def rejected(self, event):
        if event["command"] != "new" and event["order_id"]:
            self.tell(event["order_id"], event, what="refused", command=event["command"], reason=event["reason"])


def check_life(told, wanted, left):
    """The lines told of one order against the life known."""
    happened = [line for line in told if line["what"] not in ("ended", "stands", "known")]
    assert [dict((name, line[name]) for name in known) for line, known in zip(happened, wanted)] == wanted, (told, wanted)
    assert len(happened) == len(wanted), (told, wanted)
    ends = [line for line in told if line["what"] in ("ended", "stands")]
    assert len(ends) == 1 and decimal.Decimal(ends[0]["left"]) == decimal.Decimal(left), told
    assert (ends[0]["what"] == "ended") == (decimal.Decimal(left) == 0), told
    trades = [known for known in wanted if known["what"] == "traded"]
    assert ends[0]["trades"] == len(trades)
    assert decimal.Decimal(ends[0]["traded"]) == sum(decimal.Decimal(known["quantity"]) for known in trades), told


def life_of_an_order_is_the_life_in_the_events():
    print("# PIT_SEED=%d" % SEED)
    until = COMMANDS - 5000
    lives = Lives(until)
    kinds = collections.defaultdict(list)
    for order_id in lives.left:
        for known in lives.of[order_id]:
            kinds[known["what"], known.get("role")].append(order_id)
        kinds["left", decimal.Decimal(lives.left[order_id]) > 0].append(order_id)
    assert {"entered", "traded", "rested", "reduced", "replaced", "cancelled", "refused", "left"} == {k for k, _ in kinds}
    chosen = {CHANCE.choice(kinds[kind]) for kind in kinds} | set(CHANCE.sample(sorted(lives.left), 8))
    for order_id in sorted(chosen):
        *told, result = lines("--until", until, "--order", order_id)
        assert result["sequence"] == until and {line["order_id"] for line in told} == {order_id}
        check_life(told, lives.of[order_id], lives.left[order_id])
        text, _ = replay("--until", until, "--order", order_id)
        assert text.count("order %d  " % order_id) == len(told), text
        assert digests(text) == (result["events_digest"], result["state_digest"], str(until))


def client_order_finds_all_with_the_id():
    lives = Lives(COMMANDS)
    (account, client_id), orders = CHANCE.choice(sorted(lives.client.items()))
    told = lines("--client-order", "%d:%d" % (account, client_id))[:-1]
    wanted = [known for known in lives.of[orders[0]] if known["what"] != "refused"]
    assert orders == [told[0]["order_id"]], (orders, told)
    check_life([line for line in told if line["what"] != "refused"], wanted, lives.left[orders[0]])
    by_id = lines("--order", orders[0])[:-1]
    assert [line for line in by_id if line["what"] != "refused"] == [line for line in told if line["what"] != "refused"]
    assert "no order of account 4294967295 with client id 5:" in replay("--client-order", "4294967295:5", status=1)[1]


def standing_order_knows_how_many_are_before_it():
    until = 30000
    orders = collections.OrderedDict()
    for event in Lives(until).events:
        key = event["order_id"]
        if event["event"] == "rested" or (event["event"] in ("accepted", "replaced") and event["rests"]):
            if not (event["event"] == "replaced" and event["kept"]):
                orders.pop(key, None)
            orders[key] = (event["symbol"], event["side"], event["price"], decimal.Decimal(event["quantity"]))
        elif event["event"] in ("replaced", "cancelled"):
            orders.pop(key, None)
        elif event["event"] == "reduced" or (event["event"] == "trade" and event["leaves"] != "0"):
            left = event["quantity"] if event["event"] == "reduced" else event["leaves"]
            orders[key] = orders[key][:3] + (decimal.Decimal(left),)
        elif event["event"] == "trade":
            del orders[key]
    for order_id in CHANCE.sample(list(orders), 6):
        before = []
        for other, place in orders.items():
            if other == order_id:
                break
            if place[:3] == orders[order_id][:3]:
                before.append(place[3])
        told = lines("--until", until, "--order", order_id)[-2]
        assert told["what"] == "stands" and told["orders_before"] == len(before), (told, before)
        assert decimal.Decimal(told["quantity_before"]) == sum(before), (told, before)
        assert decimal.Decimal(told["left"]) == orders[order_id][3] and told["price"] == orders[order_id][2], told


def order_that_is_none_is_told_why():
    commands = [json.loads(line) for line in tap.run(PITLINE, "journal", "cat", JOURNAL, "--to", 3000)[0].splitlines()]
    cancel = next(command for command in commands if command["command"] == "cancel")["sequence"]
    assert "no order %d: the command with that sequence is a cancel" % cancel in replay("--order", cancel, status=1)[1]
    refused = next(event for event in Lives(3000).events if event["event"] == "rejected" and event["command"] == "new")
    errors = replay("--order", refused["sequence"], status=1)[1]
    assert "it was refused (%s)" % refused["reason"] in errors, errors
    assert "the last one here is 500" in replay("--order", 501, "--until", 500, status=1)[1]


def refusals_by_client_id_are_told_too():
    new, cancel, replace = 1, 2, 4
    order = {"account": 7, "client_id": 55, "quantity": 5, "price": 100}
    with tempfile.TemporaryDirectory(prefix="pit-travel-") as directory:
        journal = os.path.join(directory, "journal")
        writer = journal_file.Writer(journal)
        writer.write(journal_file.command(5, journal_file.definition(b"ABC")), journal_file.command(new, **order),
                     journal_file.command(replace, **dict(order, price=1 << 40)), journal_file.command(new, **order),
                     journal_file.command(cancel, account=8, client_id=55),
                     journal_file.command(cancel, account=7, client_id=55),
                     journal_file.command(cancel, account=7, client_id=55), journal_file.command(new, **order))
        told = {}
        for name, wanted in (("--order", 2), ("--client-order", "7:55")):
            output, _ = tap.run(PITLINE, "replay", journal, name, wanted, "--json")
            told[name] = [(line["sequence"], line["order_id"], line["what"], line.get("reason"), line.get("command"))
                          for line in map(json.loads, output.splitlines()[:-1])]
        life = [(2, 2, "entered", None, None), (3, 2, "refused", "price_out_of_band", "replace"),
                (6, 2, "cancelled", "requested", None), (6, 2, "ended", None, None)]
        assert told["--order"] == life, told
        assert told["--client-order"] == life[:2] + [(4, 0, "refused", "duplicate_id", "new")] + life[2:] + [
            (7, 0, "refused", "unknown_order", "cancel"), (8, 8, "entered", None, None), (8, 8, "stands", None, None)], told
        text, _ = tap.run(PITLINE, "replay", journal, "--client-order", "7:55")
        assert "order -  refused    new by account 7 in ABC (duplicate_id)" in text, text


def life_from_a_snapshot_on_says_what_it_does_not_know():
    at = 20000
    whole, early = Lives(COMMANDS), Lives(at)
    tap.run(PITLINE, "snapshot", JOURNAL, "--at", at)
    try:
        resting = [order for order, left in early.left.items() if decimal.Decimal(left) > 0]
        active = [order for order in resting if len(whole.of[order]) > len(early.of[order])]
        for order_id in CHANCE.sample(active, 5):
            *told, result = lines("--from-snapshot", "--order", order_id)
            assert result["from_snapshot"] == at
            assert told[0]["what"] == "known" and told[0]["sequence"] == at, told
            assert decimal.Decimal(told[0]["quantity"]) == decimal.Decimal(early.left[order_id]), told
            check_life(told, [known for known in whole.of[order_id] if known["sequence"] > at], whole.left[order_id])
        died = CHANCE.choice([order for order, left in early.left.items() if decimal.Decimal(left) == 0])
        errors = replay("--from-snapshot", "--order", died, status=1)[1]
        assert "does not rest in the snapshot of sequence %d, so it had ended by then or never was" % at in errors, errors
        born = CHANCE.choice([order for order in whole.left if order > at])
        check_life(lines("--from-snapshot", "--order", born)[:-1], whole.of[born], whole.left[born])
    finally:
        remove_snapshots()


def book_as_json_is_the_book_printed():
    ladder = []
    for line in replay("--until", 30000, "--book", "SYM1", "--depth", 0)[0].splitlines():
        halves = [half.split() for half in (line + " ").split("|")]
        if len(halves) == 2 and "bid" not in line:
            ladder += [("buy", *reversed(halves[0]))] if halves[0] else []
            ladder += [("sell", *halves[1])] if halves[1] else []
    told = lines("--until", 30000, "--book", "SYM1", "--depth", 0)[:-1]
    assert all(line["book"] == "SYM1" and line["sequence"] == 30000 for line in told)
    assert sorted((line["side"], line["price"], line["quantity"], str(line["orders"])) for line in told) == sorted(ladder)
    assert [line["side"] for line in told] == sorted(line["side"] for line in told) and len(told) > 10
    assert len(lines("--until", 30000, "--book", "SYM1", "--depth", 3)) == 7


with tempfile.TemporaryDirectory(prefix="pit-travel-") as place:
    subprocess.run([MAKE_JOURNAL, place, str(COMMANDS)], check=True)
    JOURNAL = os.path.join(place, "journal")
    tap.main(until_a_time_is_until_the_last_command_not_later, until_a_time_uses_a_snapshot_not_later,
             wrong_moments_and_names_are_told, life_of_an_order_is_the_life_in_the_events,
             client_order_finds_all_with_the_id, standing_order_knows_how_many_are_before_it,
             order_that_is_none_is_told_why, refusals_by_client_id_are_told_too, life_from_a_snapshot_on_says_what_it_does_not_know,
             book_as_json_is_the_book_printed)
