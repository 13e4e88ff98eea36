#!/usr/bin/env python3
"""Snapshots of a running pipeline: whatever moment they are of, a replay that begins with one ends like one that does not."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

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


CONFIGURATION = """
journal: {segment: 4MiB}
snapshots: {every: 20000, keep: 2, old_segments: %s}
statistics_ms: 100
"""


def old_segments_go(policy, wanted):
    """Load, until the pipeline has dealt with a segment; killed, started, and everything is as it was."""
    directory = tempfile.mkdtemp(prefix="pitline-snapshot-")
    path = os.path.join(directory, "configuration.yaml")
    with open(path, "w") as file:
        file.write(CONFIGURATION % policy)
    try:
        with pitline.Pipeline("-c", path, directory=directory) as pipeline:
            load = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "exchange", "--count",
                                     "100000000", "--rate", "50000", "--quiet"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 120
            while not wanted(os.listdir(pipeline.data)):
                assert time.monotonic() < deadline, os.listdir(pipeline.data)
                assert pipeline.process.poll() is None and load.poll() is None
                time.sleep(0.02)
            pipeline.kill()
            load.wait(timeout=60)
        with pitline.Pipeline("-c", path, directory=directory) as pipeline:
            status, output = pipeline.stop()
        assert status == 0, output
        assert re.search(r"recovered \d+ commands after the snapshot of sequence \d+0000 ", output), output
        assert re.search(r"^whole run: .*  snapshot \d+0000, \d+ s old", output, re.M), output
        stopped = re.search(r"events-digest (\S+) state-digest (\S+)", output).groups()
        from_snapshot = pitline.run("replay", pipeline.data, "--verify", "--from-snapshot")
        assert pitline.digests(from_snapshot)[:2] == stopped, (from_snapshot, output)
        assert "\nsound commands " in pitline.run("journal", "verify", pipeline.data)
        return pipeline.data, stopped
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def segments_are_compressed_while_the_pipeline_runs():
    data, stopped = old_segments_go("compress", lambda names: any(name.endswith(".zst") for name in names))
    try:
        assert pitline.digests(pitline.run("replay", data, "--verify"))[:2] == stopped
    finally:
        shutil.rmtree(os.path.dirname(data), ignore_errors=True)


def segments_are_removed_while_the_pipeline_runs():
    first = "%020d.journal" % 1
    data, _ = old_segments_go("remove", lambda names: first not in names)
    try:
        assert first + ", is missing" in pitline.run("replay", data, status=1)
    finally:
        shutil.rmtree(os.path.dirname(data), ignore_errors=True)


pitline.main(running_pipeline_is_snapshotted_and_killed_and_replays_the_same,
             segments_are_compressed_while_the_pipeline_runs, segments_are_removed_while_the_pipeline_runs)
