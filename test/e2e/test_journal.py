#!/usr/bin/env python3
"""pitline journal on the journals of real pipelines: while one runs, and of two that did the same."""
import json
import os
import subprocess
import tempfile

import pitline


def load(pipeline, *arguments):
    return ["load", "--address", pipeline.socket, "--flow", "exchange", "--quiet", "--window", "1", "--id-base", "1", *arguments]


def a_running_pipeline_is_looked_at_and_not_disturbed():
    with pitline.Pipeline() as pipeline:
        client = subprocess.Popen([pitline.BINARY, *load(pipeline, "--count", "4000")], stdout=subprocess.DEVNULL)
        seen = rounds = 0
        while client.poll() is None or rounds == 0:
            totals = json.loads(pitline.run("journal", "ls", "--json", pipeline.data).splitlines()[-1])
            assert totals["commands"] >= seen and totals["damaged"] == 0, totals
            seen = totals["commands"]
            pitline.run("journal", "verify", pipeline.data)
            # Both ends may move while it compares, but nothing that both have differs.
            output = pitline.run("journal", "diff", pipeline.data, pipeline.data, status=None)
            assert output.startswith(("equal", "prefix")), output
            rounds += 1
        assert client.returncode == 0
        status, output = pipeline.stop()
        assert status == 0, output
        lines = [json.loads(line) for line in pitline.run("journal", "cat", "--digests", pipeline.data).splitlines()]
        commands = [line["sequence"] for line in lines if "command" in line]
        assert commands == list(range(1, len(commands) + 1)) and len(commands) >= 4000
        assert [line for line in lines if "digest" in line][-1]["full"]
        _, _, replayed = pitline.digests(pitline.run("replay", pipeline.data, "--verify"))
        assert replayed == len(commands), (replayed, len(commands))
        print("# %d rounds while it ran" % rounds)


def two_runs_of_the_same_orders_differ_in_their_times_alone():
    with tempfile.TemporaryDirectory(prefix="pitline-e2e-") as place:
        data = []
        for name in ("first", "second", "other"):
            os.mkdir(os.path.join(place, name))
            with pitline.Pipeline(directory=os.path.join(place, name)) as pipeline:
                pitline.run(*load(pipeline, "--count", "1000", "--seed", "2" if name == "other" else "1"))
                status, output = pipeline.stop()
                assert status == 0, output
                data.append(pipeline.data)
        assert pitline.run("journal", "diff", "--ignore-time", *data[:2]).startswith("equal commands ")
        output = pitline.run("journal", "diff", *data[:2], status=1)
        marked = [line for line in output.splitlines() if line.startswith("!")]
        assert output.startswith("differ sequence ") and len(marked) == 1 and "time_ns" in marked[0], output
        output = pitline.run("journal", "diff", "--ignore-time", data[0], data[2], status=1)
        assert output.startswith("differ sequence "), output


if __name__ == "__main__":
    pitline.main(a_running_pipeline_is_looked_at_and_not_disturbed, two_runs_of_the_same_orders_differ_in_their_times_alone)
