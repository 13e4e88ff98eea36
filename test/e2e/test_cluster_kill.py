#!/usr/bin/env python3
"""Three nodes, load, and the leader killed with -9, round after round; each time another takes over, and the killed one
comes back. In the end: every acknowledgement of every round is in every node's log, none twice, no request was executed
twice, and all three have the same digest. A second load outlives all of it, and has an answer to each request, once.

PIT_CLUSTER_ROUNDS   rounds [3]
PIT_CLUSTER_DIR      a directory to leave everything in
"""
import os
import random
import re
import signal
import subprocess
import time

import pitline
from acks import compare
from cluster import Cluster, accepted_order, replayed

ROUNDS = int(os.environ.get("PIT_CLUSTER_ROUNDS", "3"))
SEED = int(os.environ.get("PIT_SEED", str(int(time.time()))))
print("# PIT_SEED=%d PIT_CLUSTER_ROUNDS=%d" % (SEED, ROUNDS))


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def load_on(dice, leader, acks):
    return subprocess.Popen([pitline.BINARY, "load", "--address", leader.clients, "--flow", "exchange", "--seed",
                             str(dice.randrange(1 << 30)), "--accounts", "2", "--count", "100000000", "--acks", acks,
                             "--rate", dice.choice(["2000", "20000", "60000"]), "--quiet"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Resumer:
    """Load that goes from leader to leader, sends again what is unanswered, and counts."""

    def __init__(self, cluster):
        self.process = subprocess.Popen([pitline.BINARY, "load", "--resume", "--address",
                                         ",".join(node.clients for node in cluster.nodes.values()), "--flow", "exchange",
                                         "--account", "100", "--accounts", "2", "--rate", "1000", "--count", "100000000",
                                         "--give-up", "60000", "--quiet"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self):
        """What it says when it has been told to stop: everything was answered, each once."""
        self.process.send_signal(signal.SIGINT)
        out = self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0, out
        return out


def first_accepted(cluster, others, number):
    """Until one of the others accepts an order. Returns it."""
    return cluster.wait(lambda: next((node for node in others if accepted_order(node, number)), None),
                        "accepting an order after the leader was killed")


def kill_leader(dice, cluster, acks, number):
    """Returns how long it took from the kill to the first order accepted by another node, in seconds."""
    leader = cluster.wait_leader()
    before = size(acks)
    load = load_on(dice, leader, acks)
    cluster.wait(lambda: size(acks) > before or load.poll() is not None, "the first acknowledgement")
    time.sleep(dice.uniform(0.05, 0.5))
    others = [node for node in cluster.nodes.values() if node is not leader and node.running()]
    began = time.monotonic()
    leader.kill()
    first_accepted(cluster, others, number)
    took = time.monotonic() - began
    assert load.wait(timeout=60) != 0, "load did not notice that the leader died"
    assert size(acks) > before, "nothing was acknowledged in this round"
    leader.start()
    return took


def nothing_acknowledged_is_lost():
    dice = random.Random(SEED)
    with Cluster(directory=os.environ.get("PIT_CLUSTER_DIR")) as cluster:
        acks = os.path.join(cluster.directory, "acks")
        cluster.start("--begin")
        ends, took = [], []
        cluster.wait_leader()
        with Resumer(cluster) as resumer:
            for number in range(1, ROUNDS + 1):
                took.append(kill_leader(dice, cluster, acks, number))
                time.sleep(0.002)
                ends.append(time.time_ns())
            said = dict(re.findall(r"^(answered|resumed|repeated) +(\d+)", resumer.end(), re.M))
        assert int(said["resumed"]) >= ROUNDS, said
        cluster.wait(cluster.level, "catching up")
        for node in cluster.nodes.values():
            assert node.stop() == 0, node.output()
        digests = {}
        for node in cluster.nodes.values():
            events = os.path.join(cluster.directory, "events-%d" % node.number)
            digests[node.number] = replayed(node, events)
            counts = compare(acks, events, ends)
            assert counts["accepted"] > 100, "too few orders were acknowledged for this test to see anything"
        assert len(set(digests.values())) == 1, digests
        print("# outlived all of it: %s requests, %s of them sent again, each answered once" %
              (said["answered"], said["repeated"]))
        took.sort()
        print("# %d rounds: all there, each once: %s; failover %.2f s (median), %.2f s (99th of 100), "
              "%.2f s (longest)" %
              (ROUNDS, dict(counts), took[len(took) // 2], took[(len(took) * 99 - 1) // 100], took[-1]))


pitline.main(nothing_acknowledged_is_lost)
