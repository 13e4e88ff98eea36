#!/usr/bin/env python3
"""The demo of a cluster holds what it says, and leaves nothing behind."""
import os
import pathlib
import re
import subprocess

import pitline

DEMO = pathlib.Path(__file__).resolve().parents[2] / "tools/demo-cluster.sh"


def demo(*arguments):
    environment = {**os.environ, "PITLINE": os.path.abspath(pitline.BINARY), "RATE": "2000"}
    result = subprocess.run([DEMO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280,
                            env=environment)
    return result.returncode, result.stdout


def demo_of_a_cluster_proves_itself():
    status, output = demo("3")
    assert status == 0, output
    digests = re.findall(r"^node \d: events-digest ([0-9a-f]{16}) state-digest ([0-9a-f]{16}) commands (\d+)$", output, re.M)
    assert len(digests) == 3 and len(set(digests)) == 1 and int(digests[0][2]) >= 6000, output
    assert re.search(r"^-- \d+ ms later node \d leads and takes orders$", output, re.M), output
    assert re.search(r"^answered +6000$", output, re.M) and re.search(r"^twice +0$", output, re.M), output
    name = re.search(r"^cluster (demo-cluster-\w+), 3 nodes", output, re.M)[1]
    left = [path for path in os.listdir("/tmp") + os.listdir("/dev/shm") if name in path]
    assert not left, left


def demo_of_a_cluster_refuses_what_it_does_not_know():
    for arguments in (["x"], [""], ["0"], ["3", "4"]):
        status, output = demo(*arguments)
        assert status == 2 and output.startswith("demo-cluster: "), output


pitline.main(demo_of_a_cluster_proves_itself, demo_of_a_cluster_refuses_what_it_does_not_know)
