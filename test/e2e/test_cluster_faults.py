#!/usr/bin/env python3
"""Three nodes and what goes wrong around them: a follower that stands still and comes back (its market data too), junk on
a node's address, and a leader that is cut off from the others by the network (in network namespaces of its own: skipped
where none can be made).

PIT_CLUSTER_STOP_SECONDS   how long the follower stands still [3]
PIT_CLUSTER_RATE           requests a second meanwhile [20000]
PIT_CLUSTER_GROWN_MIB      by how much the leader's memory may grow [16]
"""
import os
import shutil
import signal
import socket
import subprocess
import time

import pitline
from cluster import PATIENCE_SECONDS, Cluster, accepted_order, replayed, takes_orders

STOP_SECONDS = float(os.environ.get("PIT_CLUSTER_STOP_SECONDS", "3"))
RATE = int(os.environ.get("PIT_CLUSTER_RATE", "20000"))
GROWN_MIB = int(os.environ.get("PIT_CLUSTER_GROWN_MIB", "16"))


def load(cluster, node, seconds):
    """Runs load for so long; returns how many requests a second were answered."""
    count = int(seconds * RATE)
    began = time.monotonic()
    process = subprocess.run([pitline.BINARY, "load", "--address", node.clients, "--flow", "exchange", "--accounts", "2",
                              "--count", str(count), "--rate", str(RATE), "--quiet"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=seconds * 4 + PATIENCE_SECONDS)
    assert process.returncode == 0, process.stdout
    return count / (time.monotonic() - began)


def one_digest(cluster):
    """Stops all nodes; their logs must come to the same."""
    cluster.wait(cluster.level, "catching up")
    for node in cluster.nodes.values():
        assert node.stop() == 0, node.output()
    digests = {node.number: replayed(node) for node in cluster.nodes.values()}
    assert len(set(digests.values())) == 1, digests
    return digests[1]


def book_of(node):
    """The depth that a node's market data has."""
    return subprocess.run([pitline.BINARY, "tail", node.name, "--book", "--levels", "20", "--format", "json", "--symbol", "ABC",
                           "--count", "1"], stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_SECONDS).stdout


def one_book(cluster):
    """Every node's own market data shows the same, and something."""
    return len({book_of(node) for node in cluster.nodes.values()}) == 1 and len(book_of(cluster.nodes[1])) > 100


def a_follower_that_stands_still_costs_little():
    with Cluster() as cluster:
        cluster.start("--begin")
        leader = cluster.wait_leader()
        follower = next(node for node in cluster.nodes.values() if node is not leader)
        load(cluster, leader, 2)
        with_all = load(cluster, leader, STOP_SECONDS)
        before = leader.resident_bytes()
        follower.process.send_signal(signal.SIGSTOP)
        without = load(cluster, leader, STOP_SECONDS)
        grown = leader.resident_bytes() - before
        follower.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        cluster.wait(cluster.level, "catching up")
        print("# follower stopped for %.0f s at %d requests/s: leader's memory grew by %.1f MiB, %.0f requests/s before, "
              "%.0f without it; caught up in %.1f s" %
              (STOP_SECONDS, RATE, grown / 1048576, with_all, without, time.monotonic() - began))
        cluster.wait(lambda: one_book(cluster), "publishing the same market data")
        assert grown < GROWN_MIB << 20, "the leader keeps what the follower lacks in memory: %d bytes more" % grown
        one_digest(cluster)


def junk_on_a_nodes_address_is_told():
    with Cluster() as cluster:
        node = cluster.nodes[1]
        node.start("--begin")
        cluster.wait(lambda: "ready:" in node.output(), "starting")
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(cluster.peer_address(1)[len("unix:"):])
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: node1\r\nUser-Agent: somebody who does not know what listens here\r\n\r\n")
            cluster.wait(lambda: "warning: on the nodes' address, since the last such line: 1 connections ended" in
                         node.output(), "telling of junk")
        assert node.stop() == 0, node.output()


class Apart(Cluster):
    """Each node in a network namespace of its own, all on one bridge in another."""

    def __init__(self):
        self.spaces = {number: "pit%d-%d" % (number, os.getpid()) for number in (0, 1, 2, 3)}
        try:
            self.make_spaces()
        except (OSError, subprocess.CalledProcessError) as error:
            self.remove_spaces()
            raise pitline.Skip("no network namespaces can be made here: %s" % error)
        super().__init__()

    def ip(self, *arguments, space=None):
        command = ["ip", *(["-n", self.spaces[space]] if space is not None else []), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def make_spaces(self):
        for space in self.spaces.values():
            self.ip("netns", "add", space)
        self.ip("link", "add", "bridge", "type", "bridge", space=0)
        self.ip("link", "set", "bridge", "up", space=0)
        for number in (1, 2, 3):
            self.ip("link", "add", "to%d" % number, "type", "veth", "peer", "name", "eth0", "netns", self.spaces[number],
                    space=0)
            self.ip("link", "set", "to%d" % number, "master", "bridge", "up", space=0)
            self.ip("addr", "add", "10.77.0.%d/24" % number, "dev", "eth0", space=number)
            self.ip("link", "set", "eth0", "up", space=number)
            self.ip("link", "set", "lo", "up", space=number)

    def know_each_other(self):
        """Nobody asks who has an address: of a node that is cut off nobody hears that it cannot be found."""
        macs = {number: self.mac(number) for number in (1, 2, 3)}
        for number in macs:
            for other, mac in macs.items():
                if other != number:
                    self.ip("neigh", "replace", "10.77.0.%d" % other, "lladdr", mac, "dev", "eth0", "nud", "permanent",
                            space=number)

    def mac(self, number):
        shown = subprocess.run(["ip", "-n", self.spaces[number], "-o", "link", "show", "eth0"], check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        return shown.split("link/ether ")[1].split()[0]

    def remove_spaces(self):
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def prefix(self, number):
        return ["ip", "netns", "exec", self.spaces[number]]

    def peer_address(self, number):
        return "tcp:10.77.0.%d:7500" % number

    def cut_off(self, node):
        self.ip("link", "set", "to%d" % node.number, "down", space=0)

    def heal(self, node):
        self.ip("link", "set", "to%d" % node.number, "up", space=0)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.remove_spaces()


def a_leader_that_is_cut_off_takes_no_orders():
    if not shutil.which("ip"):
        raise pitline.Skip("there is no ip command (iproute2)")
    with Apart() as cluster:
        cluster.start("--begin")
        old = cluster.wait_leader()
        assert accepted_order(old, 1)
        others = [node for node in cluster.nodes.values() if node is not old]
        cluster.cut_off(old)
        new = cluster.wait(lambda: next((node for node in others if accepted_order(node, 2)), None),
                           "electing a leader on the other side")
        # Nobody but the new leader takes an order, however often the old one is asked, until the cut is over.
        for number in range(3, 13):
            assert not accepted_order(old, number, account=7), "two leaders take orders"
            assert accepted_order(new, number), "the new leader takes no orders"
        assert not takes_orders(old), "a leader that hears nobody still lets clients log on"
        cluster.heal(old)
        cluster.wait(cluster.level, "healing")
        assert len([node for node in cluster.nodes.values() if takes_orders(node)]) == 1
        one_digest(cluster)


def a_node_behind_a_silent_cut_is_not_reached():
    if not shutil.which("ip"):
        raise pitline.Skip("there is no ip command (iproute2)")
    with Apart() as cluster:
        cluster.know_each_other()
        cluster.start("--begin")
        leader = cluster.wait_leader()
        cluster.wait(cluster.level, "following")
        away = next(node for node in cluster.nodes.values() if node is not leader)
        cluster.cut_off(away)

        def reached():
            nodes = cluster.status(leader)["nodes"]
            peers = next(node for node in nodes if node["node"] == leader.number)["peers"]
            return next(peer["reached"] for peer in peers if peer["node"] == away.number)

        cluster.wait(lambda: not reached(), "noticing that nothing is acknowledged any more")
        assert accepted_order(leader, 1)
        cluster.heal(away)
        cluster.wait(cluster.level, "healing")
        one_digest(cluster)


def the_network_cuts_and_heals_again_and_again():
    if not shutil.which("ip"):
        raise pitline.Skip("there is no ip command (iproute2)")
    with Apart() as cluster:
        cluster.start("--begin")
        for number in range(4):
            leader = cluster.wait_leader()
            cluster.cut_off(leader)
            others = [node for node in cluster.nodes.values() if node is not leader]
            cluster.wait(lambda: any(accepted_order(node, 100 + number) for node in others), "going on without it")
            cluster.heal(leader)
        one_digest(cluster)


pitline.main(a_follower_that_stands_still_costs_little, junk_on_a_nodes_address_is_told, a_leader_that_is_cut_off_takes_no_orders,
             a_node_behind_a_silent_cut_is_not_reached, the_network_cuts_and_heals_again_and_again)
