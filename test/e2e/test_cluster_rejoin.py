#!/usr/bin/env python3
"""Three nodes, one of which has not got what it needs: its missing log is gone everywhere, its disk is new, its log is
damaged, or it has come to another result than the others. Each ends in the same state as the others, and takes part again:
the leader is killed, and orders go on."""
import glob
import os
import re
import shutil
import subprocess
import time

import pitline
from cluster import PATIENCE_SECONDS, Cluster

SMALL = """journal: {segment: 4MiB, cancel_reserve: 1MiB}
snapshots: {every: 20000, keep: 2, old_segments: remove}
"""
STOPPED = re.compile(r"^stopped: last sequence (\d+), (events-digest .*)$", re.M)


def load(node, count, base):
    """To the node that leads; should another one be elected meanwhile (a slow build, a busy disk), to that one."""
    addresses = [node.clients] + [other.clients for other in node.cluster.nodes.values() if other is not node and other.running()]
    result = subprocess.run([pitline.BINARY, "load", "--resume", "--address", ",".join(addresses), "--flow", "exchange",
                             "--count", str(count), "--id-base", str(base), "--quiet"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_SECONDS)
    assert result.returncode == 0, result.stdout


def follower_of(cluster, leader):
    return next(node for node in cluster.nodes.values() if node is not leader)


def follower_of_a_new_cluster(cluster, orders):
    """Starts all; returns one that follows, when so many orders are done."""
    cluster.start("--begin")
    leader = cluster.wait_leader()
    load(leader, orders, 0)
    return follower_of(cluster, leader)


def takes_part(cluster, back):
    """With the leader dead the others can only go on with the node that is back."""
    cluster.wait(cluster.level, "catching up")
    cluster.wait(lambda: not any(node.get("rejoining") for node in cluster.status()["nodes"]), "rejoining")
    leader = cluster.wait_leader()
    if leader is not back:
        leader.kill()
        leader.process = None
        load(cluster.wait_leader(), 1000, 900000000)
        leader.start()
    cluster.wait(cluster.level, "catching up")


def one_end(cluster):
    """Stops all nodes; they must have come to the same."""
    for node in cluster.nodes.values():
        assert node.stop() == 0, node.output()
    ends = {node.number: STOPPED.findall(node.output())[-1] for node in cluster.nodes.values()}
    assert len(set(ends.values())) == 1, ends


def a_node_whose_missing_log_is_gone_begins_anew():
    with Cluster(extra=SMALL) as cluster:
        cluster.start("--begin")
        leader = cluster.wait_leader()
        away = follower_of(cluster, leader)
        load(leader, 5000, 0)
        away.kill()
        away.process = None
        load(leader, 300000, 100000000)  # more than the engine keeps in memory
        others = [node for node in cluster.nodes.values() if node is not away]
        base = iter(range(200000000, 900000000, 1000000))

        def gone():
            """What is removed is what the last but one snapshot does not need; how many of those there were under load
            depends on the machine, so more orders come until that is after the first segment. Between them there is a rest:
            what writes snapshots gives way to all others."""
            load(leader, 25000, next(base))
            time.sleep(0.5)
            return not any(os.path.exists(os.path.join(node.data, "%020d.journal" % 1)) for node in others)

        cluster.wait(gone, "removing old segments")
        away.start()
        cluster.wait(lambda: "begins with another node's snapshot of sequence" in away.output(), "sending a snapshot")
        takes_part(cluster, away)
        assert os.path.isdir(os.path.join(away.data, "replaced-1"))
        one_end(cluster)


def a_node_with_a_new_disk_rejoins():
    with Cluster() as cluster:
        lost = follower_of_a_new_cluster(cluster, 5000)
        lost.kill()
        shutil.rmtree(lost.data)
        lost.start()
        assert lost.process.wait(timeout=PATIENCE_SECONDS) == 1
        assert "let it rejoin" in lost.output(), lost.output()
        lost.start("--rejoin")
        takes_part(cluster, lost)
        one_end(cluster)


def a_node_with_a_damaged_log_repairs_itself():
    with Cluster() as cluster:
        hurt = follower_of_a_new_cluster(cluster, 20000)
        cluster.wait(cluster.level, "following")
        hurt.kill()
        with open(os.path.join(hurt.data, "%020d.journal" % 1), "r+b") as segment:
            segment.seek(65536)
            byte = segment.read(1)[0]
            segment.seek(65536)
            segment.write(bytes([byte ^ 1]))
        hurt.start()
        takes_part(cluster, hurt)
        assert "WARNING: the log is damaged" in hurt.output(), hurt.output()
        assert glob.glob(os.path.join(hurt.data, "damaged-1", "*.journal"))
        one_end(cluster)


def a_node_that_differed_starts_only_to_rejoin():
    """That it differed is what stages/replicator writes down when digests say so (test_replicator)."""
    with Cluster() as cluster:
        wrong = follower_of_a_new_cluster(cluster, 5000)
        cluster.wait(cluster.level, "following")
        wrong.kill()
        with open(os.path.join(wrong.data, "differs"), "w") as mark:
            mark.write("this node has come to another result up to sequence 16384")
        for _ in range(2):
            wrong.start()
            assert wrong.process.wait(timeout=PATIENCE_SECONDS) == 3, wrong.output()
        assert "up to sequence 16384. Find out why" in wrong.output(), wrong.output()
        wrong.start("--rejoin")
        takes_part(cluster, wrong)
        assert glob.glob(os.path.join(wrong.data, "damaged-1", "*.journal"))
        assert not os.path.exists(os.path.join(wrong.data, "differs"))
        one_end(cluster)


pitline.main(a_node_whose_missing_log_is_gone_begins_anew, a_node_with_a_new_disk_rejoins,
             a_node_with_a_damaged_log_repairs_itself, a_node_that_differed_starts_only_to_rejoin)
