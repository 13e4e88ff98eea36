#!/usr/bin/env python3
"""kill -9 under load, restart, load again: every acknowledged command is in the journal, none twice."""
import collections
import os
import random
import shutil
import subprocess
import tempfile
import time

import pitline

ROUNDS = int(os.environ.get("PIT_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("PIT_SEED", str(int(time.time()))))
print("# PIT_SEED=%d PIT_KILL_ROUNDS=%d" % (SEED, ROUNDS))


def nothing_acknowledged_is_lost():
    dice = random.Random(SEED)
    directory = tempfile.mkdtemp(prefix="pitline-kill-")
    acks = os.path.join(directory, "acks")
    try:
        for number in range(ROUNDS):
            threads = dice.choice(["shared", "dedicated"])
            with pitline.Pipeline("--threads", threads, directory=directory) as pipeline:
                load = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow",
                                         dice.choice(["exchange", "itch-like"]), "--seed", str(dice.randrange(1 << 30)),
                                         "--accounts", "2", "--count", "100000000", "--acks", acks, "--quiet"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                before = os.path.getsize(acks) if os.path.exists(acks) else 0
                deadline = time.monotonic() + 60
                while (os.path.getsize(acks) if os.path.exists(acks) else 0) <= before and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(dice.uniform(0.05, 0.6))
                pipeline.kill()
                assert load.wait(timeout=60) != 0, "load did not notice that the server died"
        # One more start recovers, and a clean stop ends the journal with full digests.
        with pitline.Pipeline(directory=directory) as pipeline:
            status, output = pipeline.stop()
            assert status == 0, output
            data = pipeline.data
        events = os.path.join(directory, "events")
        pitline.run("replay", data, "--verify", "--events", events)
        compare(acks, events)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def compare(acks, events):
    """Each acknowledgement must be one event of the replay, and no event happens twice."""
    facts = set()
    for event in pitline.json_lines(events):
        kind, sequence, order = event["event"], event["sequence"], event["order_id"]
        if kind == "trade":
            sides = [(kind, sequence, event["number"], order, event["client_id"], event["account"], False),
                     (kind, sequence, event["number"], event["taker_order_id"], event["taker_client_id"],
                      event["taker_account"], True)]
        else:
            sides = [(kind, sequence, order, event["client_id"], event["account"])]
        for fact in sides:
            assert fact not in facts, "twice in the journal: %r" % (fact,)
            facts.add(fact)
    counts = collections.Counter()
    told = set()
    for ack in pitline.json_lines(acks):
        kind = ack["report"]
        fact = (kind, ack["sequence"], ack["order_id"], ack["client_id"], ack["account"])
        if kind == "trade":
            fact = (kind, ack["sequence"], ack["number"], ack["order_id"], ack["client_id"], ack["account"],
                    ack["aggressor"])
        assert fact in facts, "acknowledged, but not in the journal: %r" % (ack,)
        assert fact not in told, "acknowledged twice: %r" % (ack,)
        told.add(fact)
        counts[kind] += 1
    assert counts["accepted"] > 1000, "too few orders were acknowledged for this test to see anything: %r" % counts
    print("# all there, each once: %s" % dict(counts))


pitline.main(nothing_acknowledged_is_lost)
