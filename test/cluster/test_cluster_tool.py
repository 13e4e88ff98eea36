#!/usr/bin/env python3
"""pitline cluster, with nodes that answer: test_cluster_tool.py PITLINE ANSWERING_NODE (TAP)"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "replay"))
import tap

PITLINE, ANSWERING_NODE = sys.argv[1:3]
FOLLOWER, CANDIDATE, LEADER, STOPPED = 1, 2, 3, 4
LEVEL = {"term": 7, "committed": 5000, "sequence": 990, "digest_sequence": 64, "digest": "00ab", "leader": 2}


class Cluster:
    """Three nodes: each says what its dictionary has over LEVEL; None: it is not there."""

    def __init__(self, **nodes):
        self.said = {number: nodes.get("n%d" % number, {}) for number in (1, 2, 3)}
        self.directory = tempfile.mkdtemp(prefix="pitline-cluster-")
        self.key = os.path.join(self.directory, "key")
        self.write_key("ab" * 32)
        for number in self.said:
            with open(self.config(number), "w") as config:
                config.write("cluster:\n  name: tests\n  node: %d\n  key_file: %s\n  nodes:\n" % (number, self.key))
                for other in self.said:
                    config.write("    - {address: 'unix:%s/%d', clients: 'tcp:127.0.0.1:%d'}\n" %
                                 (self.directory, other, 9000 + other))

    def write_key(self, key):
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(key)

    def config(self, number):
        return os.path.join(self.directory, "%d.yaml" % number)

    def __enter__(self):
        self.processes = []
        for number, said in self.said.items():
            if said is not None:
                role = {"role": LEADER, "ready": 1} if number == LEVEL["leader"] else {"role": FOLLOWER}
                words = ["%s=%s" % word for word in {**LEVEL, **role, **said}.items()]
                self.processes.append(subprocess.Popen([ANSWERING_NODE, self.config(number), *words],
                                                       stdout=subprocess.PIPE, text=True))
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.communicate()
        shutil.rmtree(self.directory)

    def ask(self, what, *arguments, status=0, own=1):
        return tap.run(PITLINE, "cluster", what, "-c", self.config(own), *arguments, status=status)

    def reached(self):
        """All that are there know each other: an answer of each says so."""
        there = [number for number, said in self.said.items() if said is not None]
        for _ in range(1000):
            nodes = json.loads(self.ask("status", "--json", status=None)[0])["nodes"]
            if all(peer["reached"] for node in nodes for peer in node.get("peers", []) if peer["node"] in there):
                return
        raise AssertionError("they do not meet")


def a_level_cluster_is_well():
    with Cluster() as cluster:
        cluster.reached()
        out, _ = cluster.ask("status")
        lines = out.splitlines()
        assert lines[0] == "cluster tests, 3 nodes: node 2 leads in term 7, clients go to tcp:127.0.0.1:9002", out
        assert len(lines) == 5, out
        assert lines[3].split()[2:] == ["leader", "7", "5000", "0", "990", "00000000000000ab", "at", "64"], out
        told = json.loads(cluster.ask("status", "--json")[0])
        assert told["state"] == "ok" and told["leader"] == 2 and told["clients"] == "tcp:127.0.0.1:9002", told
        assert [node["role"] for node in told["nodes"]] == ["follower", "leader", "follower"], told
        assert all(node["reachable"] and node["committed"] == 5000 and node["sequence"] == 990 and
                   node["digest"] == "00000000000000ab" and node["version"] for node in told["nodes"]), told
        assert cluster.ask("leader")[0] == "tcp:127.0.0.1:9002\n"


def what_is_not_well_is_told():
    for change, words in (({"n3": None}, "node 3: address"), ({"n3": {"committed": 0}}, None),
                          ({"n1": {"digest": "00ac"}}, "node 1: its digest at sequence 64 is another than that of node"),
                          ({"n1": {"leader": 3}}, "node 1: it follows node 3"),
                          ({"n1": {"leader": 0}}, "node 1: it does not know who leads"),
                          ({"n1": {"rejoining": 1}}, "follower, rejoins"), ({"n1": {"role": CANDIDATE}}, None), ({"n3": {"role": STOPPED}}, None)):
        with Cluster(**change) as cluster:
            cluster.reached()
            out, _ = cluster.ask("status", status=1)
            assert not words or words in out, out
            assert json.loads(cluster.ask("status", "--json", status=1)[0])["state"] == "degraded"
            assert cluster.ask("leader")[0] == "tcp:127.0.0.1:9002\n"


def a_snapshot_on_its_way_is_told():
    with Cluster(n2={"sends_to": 3, "sends": 3 << 20, "sends_of": 7 << 19},
                 n3={"committed": 9, "receives": 5 << 19, "receives_of": 7 << 19}) as cluster:
        cluster.reached()
        out, _ = cluster.ask("status", status=1)
        assert "node 2: it sends a snapshot to node 3, 3.0 of 3.5 MiB\n" in out, out
        assert "node 3: it receives a snapshot, 2.5 of 3.5 MiB\n" in out, out
        one, two, three = json.loads(cluster.ask("status", "--json", status=1)[0])["nodes"]
        assert (two["sends_to"], two["sends"], two["sends_of"]) == (3, 3 << 20, 7 << 19), two
        assert (three["receives"], three["receives_of"]) == (5 << 19, 7 << 19), three
        assert not any(name in one for name in ("receives", "receives_of", "sends_to", "sends", "sends_of")), one
        assert "receives" not in two and "sends_to" not in three, (two, three)


def how_much_a_node_may_lack_can_be_said():
    with Cluster(n1={"committed": 4990}) as cluster:
        cluster.reached()
        cluster.ask("status")
        cluster.ask("status", "--behind", 10)
        cluster.ask("status", "--behind", 9, status=1)


def without_a_leader_there_is_a_status_of_its_own():
    for change in ({"n2": None}, {"n2": {"ready": 0}}, {"n1": None, "n2": None, "n3": None}):
        with Cluster(**change) as cluster:
            cluster.ask("status", status=3)
            assert json.loads(cluster.ask("status", "--json", status=3)[0])["state"] == "no leader"
            out, told = cluster.ask("leader", status=3)
            assert out == "" and "leads and takes commands" in told, out + told
            cluster.ask("transfer", 1, status=3)


def a_leader_of_an_older_term_is_none():
    with Cluster(n1={"role": LEADER, "ready": 1, "leader": 1, "term": 6}) as cluster:
        assert cluster.ask("leader")[0] == "tcp:127.0.0.1:9002\n"
        cluster.ask("status", status=1)


def one_node_can_be_asked_alone():
    with Cluster(n1={"leader": 0}, n3=None) as cluster:
        out, _ = cluster.ask("status", "--node", 2)
        assert len(out.splitlines()) == 3, out
        cluster.ask("status", "--node", 1, status=3)
        cluster.ask("status", "--node", 3, status=1)
        cluster.ask("leader", "--node", 1, status=3)
    with Cluster(n2={"ready": 0}) as cluster:  # who follows says whom; who leads and is not ready yet is none
        assert cluster.ask("leader", "--node", 1)[0] == "tcp:127.0.0.1:9002\n"
        cluster.ask("leader", "--node", 2, status=3)
    with Cluster() as cluster:
        assert len(json.loads(cluster.ask("status", "--node", 2, "--json")[0])["nodes"]) == 1


def leadership_goes_to_who_is_named():
    with Cluster() as cluster:
        cluster.reached()
        assert cluster.ask("transfer", 3)[0] == "node 3 leads in term 8, clients go to tcp:127.0.0.1:9003\n"
        assert cluster.ask("leader")[0] == "tcp:127.0.0.1:9003\n"
        cluster.ask("transfer", 3)
        cluster.ask("status", "--wait", 10)
        cluster.ask("transfer", 1)
        assert cluster.ask("leader")[0] == "tcp:127.0.0.1:9001\n"


def what_stands_against_a_transfer_is_told():
    with Cluster(n3=None) as cluster:
        _, told = cluster.ask("transfer", 3, status=1)
        assert "node 3 is not reached" in told, told
    with Cluster(n2={"stuck": 1}) as cluster:
        cluster.reached()
        _, told = cluster.ask("transfer", 1, "--wait", 0, status=1)
        assert "node 1 does not lead after 0 s" in told, told


def a_snapshot_is_waited_for():
    with Cluster(n3={"stuck": 1}) as cluster:
        assert cluster.ask("snapshot")[0] == "node 1 has a snapshot of sequence 990\n"
        assert cluster.ask("snapshot", "--node", 2)[0] == "node 2 has a snapshot of sequence 990\n"
        assert cluster.ask("snapshot", "--node", 2)[0] == "node 2 has a snapshot of sequence 990\n"
        _, told = cluster.ask("snapshot", own=3, status=1, *["--wait", "0"])
        assert "node 3 has no snapshot of sequence 990" in told, told


def who_has_another_key_is_told_nothing():
    with Cluster() as cluster:
        cluster.write_key("cd" * 32)
        out, _ = cluster.ask("status", status=3)
        assert out.count("another key than this configuration") == 3, out


def wrong_arguments_are_status_2():
    with Cluster() as cluster:
        for arguments in (["status", "--node", 4], ["status", "--node", 0], ["status", "more"], ["transfer"],
                          ["transfer", 4], ["transfer", 1, 2], ["leader", "--wait", "x"], ["nothing"]):
            cluster.ask(*arguments, status=2)
        with open(cluster.config(1), "w") as config:
            config.write("name: alone\n")
        _, told = cluster.ask("status", status=2)
        assert "has no cluster" in told, told


tap.main(a_level_cluster_is_well, what_is_not_well_is_told, a_snapshot_on_its_way_is_told, how_much_a_node_may_lack_can_be_said,
         without_a_leader_there_is_a_status_of_its_own, a_leader_of_an_older_term_is_none, one_node_can_be_asked_alone,
         leadership_goes_to_who_is_named, what_stands_against_a_transfer_is_told, a_snapshot_is_waited_for,
         who_has_another_key_is_told_nothing, wrong_arguments_are_status_2)
