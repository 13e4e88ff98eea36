#!/usr/bin/env python3
"""The same commands, several builds: across_builds.py BUILD... - every build runs them live in both groupings, and every
build replays what every other one wrote: all to the same digests."""
import os
import sys
import tempfile

import pitline

builds = [os.path.join(directory, "tools/pitline") for directory in sys.argv[1:]]
flow = ["--flow", "exchange", "--seed", "7", "--count", "40000", "--accounts", "1", "--id-base", "1", "--quiet"]
answers = {}
with tempfile.TemporaryDirectory(prefix="pitline-builds-") as directory:
    for number, binary in enumerate(builds):
        for threads, matchers in (("shared", "1"), ("dedicated", "2")):
            place = os.path.join(directory, "%d-%s" % (number, threads))
            os.mkdir(place)
            with pitline.Pipeline("--threads", threads, "--matchers", matchers, directory=place,
                                  binary=binary) as pipeline:
                pitline.run("load", "--address", pipeline.socket, *flow, binary=binary)
                status, output = pipeline.stop()
                assert status == 0, output
                data = pipeline.data
            for reader in builds:
                found = pitline.digests(pitline.run("replay", data, "--verify", binary=reader))
                answers.setdefault((binary, threads), set()).add(found)
for (binary, threads), found in answers.items():
    print(binary, threads, *found)
if len(set.union(*answers.values())) != 1:
    sys.exit("the same commands gave different digests")
print("%d live runs, replayed by %d builds each: one digest" % (len(answers), len(builds)))
