#!/usr/bin/env python3
"""The first thing anyone sees, and a second terminal beside it."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading

import pitline


def demo_proves_itself_while_tail_watches():
    tail = subprocess.Popen([pitline.BINARY, "tail", "demo", "--format", "json", "--count", "20000"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(tail.stdout), daemon=True)
    reader.start()
    output = pitline.run("run", "--demo=3")
    shutil.rmtree(re.search(r"rm -r (\S+)", output)[1])
    try:
        tail.wait(timeout=30)
    except subprocess.TimeoutExpired:
        tail.kill()
        raise AssertionError("tail did not see 20000 events during the demo")
    reader.join(timeout=10)
    assert tail.returncode == 0, tail.stderr.read()
    kinds = {json.loads(line)["type"] for line in lines}
    assert "trade" in kinds, "no trade among %s" % kinds
    assert "equal" in output, output
    for hint in ("tail", "replay", "load"):
        assert "pitline " + hint in output, "the demo does not say how to try %s:\n%s" % (hint, output)


def demo_leaves_nothing_behind():
    with tempfile.TemporaryDirectory(prefix="pitline-e2e-") as place:
        os.environ["TMPDIR"] = place
        try:
            output = pitline.run("run", "--demo=1")
        finally:
            del os.environ["TMPDIR"]
        left = os.listdir(place)
        # What the demo keeps for the user to replay it says in its output.
        assert left and all(os.path.join(place, name) in output for name in left), "left behind: %s" % left


def demo_refuses_what_it_would_not_heed():
    for arguments in (["--data", "d"], ["--config", "c"], ["--listen", "unix:s"], ["--symbol", "ABC"]):
        output = pitline.run("run", "--demo=1", *arguments, status=2)
        assert "leave out" in output, output


pitline.main(demo_proves_itself_while_tail_watches, demo_leaves_nothing_behind, demo_refuses_what_it_would_not_heed)
