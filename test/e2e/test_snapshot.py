#!/usr/bin/env python3
"""Snapshots of a running pipeline: whatever moment they are of, a replay that begins with one ends like one that does not."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import pitline


def last_line(output):
    return re.search(r"^events-digest .*$", output, re.M)[0]


def running_pipeline_is_snapshotted_and_killed_and_replays_the_same():
    directory = tempfile.mkdtemp(prefix="pitline-snapshot-")
    try:
        taken = []
        for number in range(2):
            with pitline.Pipeline("--threads", "shared", directory=directory) as pipeline:
                load = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "exchange",
                                         "--seed", str(number), "--accounts", "2", "--count", "100000000", "--quiet"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                begun = len(taken)
                while len(taken) < begun + 4:
                    told = json.loads(pitline.run("snapshot", pipeline.data, "--json"))
                    assert pipeline.process.poll() is None and load.poll() is None
                    if not taken or told["sequence"] > taken[-1]["sequence"] + 2000:
                        taken.append(told)
                pipeline.kill()
                load.wait(timeout=60)
                data = pipeline.data
        with pitline.Pipeline(directory=directory) as pipeline:
            status, output = pipeline.stop()
            assert status == 0, output
        assert re.search(r"recovered \d+ commands after the snapshot of sequence %d " % taken[-1]["sequence"], output), output
        wanted = last_line(pitline.run("replay", data, "--verify"))
        stopped = re.search(r"events-digest (\S+) state-digest (\S+)", output).groups()
        assert wanted.startswith("events-digest %s state-digest %s " % stopped), (wanted, output)
        for told in taken:
            output = pitline.run("replay", data, "--verify", "--from-snapshot=%d" % told["sequence"])
            assert last_line(output) == wanted, (told, output, wanted)
        assert last_line(pitline.run("replay", data, "--verify", "--from-snapshot")) == wanted
        assert any(told["orders"] for told in taken)
        print("# %s; snapshots at %s" % (wanted, [told["sequence"] for told in taken]))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


pitline.main(running_pipeline_is_snapshotted_and_killed_and_replays_the_same)
