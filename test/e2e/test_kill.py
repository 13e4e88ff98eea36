#!/usr/bin/env python3
"""kill -9 under load, restart on the same directory, load again, round after round: every acknowledgement of every round
and all that was published is in the journal, none twice, and no request was executed twice.

PIT_KILL_ROUNDS   rounds [4]
PIT_KILL_DIR      a directory to go on in, and to keep: a soak in parts. Each part compares all that was acknowledged
                  since the directory was empty
"""
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import pitline
from acks import compare

ROUNDS = int(os.environ.get("PIT_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("PIT_SEED", str(int(time.time()))))
KEPT = os.environ.get("PIT_KILL_DIR")
print("# PIT_SEED=%d PIT_KILL_ROUNDS=%d" % (SEED, ROUNDS))


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def kill_in_the_start(dice, directory, name):
    """While it recovers, cuts what was torn, or begins to listen."""
    with pitline.Pipeline(directory=directory, name=name, wait=False) as pipeline:
        time.sleep(dice.uniform(0, 0.25))
        pipeline.kill()


def kill_under_load(dice, directory, name, acks, full_speed):
    with pitline.Pipeline("--threads", dice.choice(["shared", "dedicated"]), "--snapshot-every",
                          dice.choice(["0", "2000", "20000"]), directory=directory, name=name) as pipeline:
        before = size(acks)
        rate = [] if full_speed else ["--rate", dice.choice(["500", "2000", "20000"])]
        load = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow",
                                 dice.choice(["exchange", "itch-like"]), "--seed", str(dice.randrange(1 << 30)),
                                 "--accounts", "2", "--count", "100000000", "--acks", acks, "--quiet", *rate],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while size(acks) <= before and load.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(dice.uniform(0.05, 0.6))
        pipeline.kill()
        assert load.wait(timeout=60) != 0, "load did not notice that the server died"
        assert size(acks) > before, "nothing was acknowledged in this round"
    time.sleep(0.002)
    return time.time_ns()


def nothing_acknowledged_is_lost():
    dice = random.Random(SEED)
    directory = KEPT or tempfile.mkdtemp(prefix="pitline-kill-")
    acks, ends_path, seen = (os.path.join(directory, name) for name in ("acks", "ends", "seen"))
    name = "e2e-kill-%d" % os.getpid()
    with open(seen, "a") as file:
        tail = subprocess.Popen([pitline.BINARY, "tail", name, "--format", "json"], stdout=file,
                                stderr=subprocess.DEVNULL)
    try:
        ends = json.load(open(ends_path)) if os.path.exists(ends_path) else []
        for number in range(ROUNDS):
            if dice.random() < 0.3:
                kill_in_the_start(dice, directory, name)
            ends.append(kill_under_load(dice, directory, name, acks, number % 8 == 0))
            with open(ends_path, "w") as file:
                json.dump(ends, file)
        # One more start recovers, and a clean stop ends the journal with full digests: of the state that the restarted
        # pipelines came to one after the other. A replay from the first command comes to the same.
        with pitline.Pipeline(directory=directory, name=name) as pipeline:
            status, output = pipeline.stop()
            assert status == 0, output
            data = pipeline.data
        pitline.run("journal", "verify", data)
        events = os.path.join(directory, "events")
        pitline.run("replay", data, "--verify", "--events", events)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=60) == 0
        counts = compare(acks, events, ends, seen)
        assert counts["published"] > 1000, "too little was published for this test to see anything: %r" % counts
        assert counts["accepted"] > 1000, "too few orders were acknowledged for this test to see anything: %r" % counts
        print("# %d rounds: all there, each once: %s" % (len(ends), dict(counts)))
    finally:
        tail.kill()
        tail.wait()
        if not KEPT:
            shutil.rmtree(directory, ignore_errors=True)


pitline.main(nothing_acknowledged_is_lost)
