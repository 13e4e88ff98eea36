#!/usr/bin/env python3
"""kill -9 under load, restart, load again: every acknowledged command is in the journal, none twice."""
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
    seen = set()
    accepted = set()
    for event in pitline.json_lines(events):
        key = (event["event"], event["sequence"], event["number"], event["order_id"])
        assert key not in seen, "twice in the journal: %r" % (key,)
        seen.add(key)
        if event["event"] == "accepted":
            accepted.add((event["sequence"], event["order_id"], event["client_id"], event["account"]))
    acknowledged = trades = 0
    for ack in pitline.json_lines(acks):
        if ack["report"] == "accepted":
            acknowledged += 1
            key = (ack["sequence"], ack["order_id"], ack["client_id"], ack["account"])
            assert key in accepted, "acknowledged, but not in the journal: %r" % (ack,)
    assert acknowledged > 1000, "only %d orders were acknowledged: the test saw nothing" % acknowledged
    print("# %d acknowledged orders of %d accepted ones, all there" % (acknowledged, len(accepted)))


pitline.main(nothing_acknowledged_is_lost)
