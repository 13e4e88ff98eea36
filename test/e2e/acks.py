"""Compares what clients were told with what a journal comes to: nothing lost, nothing twice."""
import bisect
import collections
import datetime
import struct

import pitline

KINDS = {"accepted": 1, "trade": 2, "cancelled": 3, "reduced": 4, "replaced": 5, "rested": 6}


def fact(kind, sequence, number, order, client, account, taker, price, quantity):
    """One thing that one account was told, packed, for there are many."""
    return struct.pack("<BQIQQI?qQ", KINDS[kind], sequence, number, order, client, account, taker, price, quantity)


def ticks(text):
    """A price of the replay, which knows the tick (0.01), as clients are told it."""
    return round(float(text) * 100)


def facts_of(event):
    kind, sequence = event["event"], event["sequence"]
    price, quantity = ticks(event["price"]), int(event["quantity"])
    order, client, account = event["order_id"], event["client_id"], event["account"]
    if kind != "trade":
        return [fact(kind, sequence, 0, order, client, account, False, price, quantity)]
    return [fact(kind, sequence, event["number"], order, client, account, False, price, quantity),
            fact(kind, sequence, event["number"], event["taker_order_id"], event["taker_client_id"],
                 event["taker_account"], True, price, quantity)]


def in_market(event, time_ns, trade):
    """What the market data and the journal's events both tell: of a trade everything, else which order and when."""
    if not trade:
        return struct.pack("<QQ", time_ns, event["order_id"])
    return struct.pack("<QQqQ", time_ns, event["order_id"], ticks(event["price"]), int(event["quantity"]))


def nanoseconds(text):
    """2026-11-26T19:18:00.986733133Z in nanoseconds since 1970."""
    second = datetime.datetime.fromisoformat(text[:19] + "+00:00")
    return int(second.timestamp()) * 1000000000 + int(text[20:29])


def compare(acks, events, ends, seen=None):
    """acks: lines of pitline load --acks, appended by one load after the other. events: of a replay of the whole journal.
    ends: times, in nanoseconds since 1970, between the loads, so that a request's number is told from the same number of
    another load. seen: lines of pitline tail --format json. Returns how many of each kind were acknowledged."""
    facts, answered, accepted, market = set(), set(), set(), set()
    last = (0, 0)
    for event in pitline.json_lines(events):
        assert (event["sequence"], event["index"]) > last, "events out of order: %r" % event
        last = (event["sequence"], event["index"])
        asker = event["taker_account"] if event["event"] == "trade" else event["account"]
        if event["last"] and asker:
            answer = struct.pack("<III", bisect.bisect(ends, event["time_ns"]), asker, event["request"])
            assert answer not in answered, "a request was executed twice: %r" % event
            answered.add(answer)
        if event["event"] not in KINDS:
            continue
        if seen:
            market.add(in_market(event, event["time_ns"], False))
            market.add(in_market(event, event["time_ns"], event["event"] == "trade"))
        if event["event"] == "accepted":
            order = struct.pack("<IQ", event["account"], event["client_id"])
            assert order not in accepted, "an order was accepted twice: %r" % event
            accepted.add(order)
        for one in facts_of(event):
            assert one not in facts, "twice in the journal: %r" % event
            facts.add(one)
    counts = collections.Counter()
    latest = collections.Counter()
    for ack in pitline.json_lines(acks):
        kind, account = ack["report"], ack["account"]
        one = fact(kind, ack["sequence"], ack["number"] if kind == "trade" else 0, ack["order_id"], ack["client_id"],
                   account, ack.get("aggressor", False), ack["price"], ack["quantity"])
        assert one in facts, "acknowledged, but not in the journal, or acknowledged twice: %r" % ack
        facts.remove(one)
        assert ack["sequence"] >= latest[account], "acknowledged out of order: %r" % ack
        latest[account] = ack["sequence"]
        counts[kind] += 1
    for event in pitline.json_lines(seen) if seen else []:
        if event["type"] in ("trade", "add", "change", "remove"):
            one = in_market(event, nanoseconds(event["time"]), event["type"] == "trade")
            assert one in market, "published, but not in the journal: %r" % event
            counts["published"] += 1
    return counts
