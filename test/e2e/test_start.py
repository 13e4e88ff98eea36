#!/usr/bin/env python3
"""Starts that work, starts that are refused, and what they say."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

import pitline


def load(pipeline, *arguments):
    return pitline.run("load", "--address", pipeline.socket, "--flow", "exchange", "--count", "20000", "--quiet",
                       *arguments)


def a_restart_goes_on_where_the_journal_ends():
    directory = tempfile.mkdtemp(prefix="pitline-e2e-")
    seen = []
    for number in range(3):
        with pitline.Pipeline(directory=directory) as pipeline:
            load(pipeline, "--seed", number)
            status, output = pipeline.stop(signal.SIGINT if number == 1 else signal.SIGTERM)
            assert status == 0, output
            seen.append(pitline.digests(pitline.run("replay", pipeline.data, "--verify")))
    assert seen[0][2] < seen[1][2] < seen[2][2], seen
    shutil.rmtree(directory)


def groupings_and_matchers_give_one_digest():
    found = set()
    journal = tempfile.mkdtemp(prefix="pitline-e2e-")
    with pitline.Pipeline("--threads", "shared", directory=journal) as first:
        load(first, "--id-base", 1)
        assert first.stop()[0] == 0
    # The same directory, recovered by every grouping; a clean stop without orders changes no event.
    for arguments in (("--threads", "shared"), ("--threads", "dedicated"), ("--threads", "shared", "--matchers", "2"),
                      ("--threads", "dedicated", "--matchers", "2")):
        with pitline.Pipeline(*arguments, directory=journal) as pipeline:
            status, output = pipeline.stop()
            assert status == 0, output
            found.add(pitline.digests(pitline.run("replay", pipeline.data, "--verify")))
    assert len(found) == 1, found
    shutil.rmtree(journal)


def a_directory_in_use_is_refused():
    with pitline.Pipeline() as pipeline:
        other = subprocess.run([pitline.BINARY, "run", "--data", pipeline.data, "--name", "other", "--listen",
                                "unix:" + pipeline.directory + "/other"], capture_output=True, text=True, timeout=60)
        assert other.returncode == 1 and str(pipeline.process.pid) in other.stderr, (other.returncode, other.stderr)
        name = subprocess.run([pitline.BINARY, "run", "--data", pipeline.directory + "/b", "--name", pipeline.name,
                               "--listen", "unix:" + pipeline.directory + "/c"], capture_output=True, text=True,
                              timeout=60)
        assert name.returncode == 1 and pipeline.name in name.stderr, (name.returncode, name.stderr)
        pitline.run("replay", pipeline.data)  # reading a live one is fine


def a_torn_tail_is_cut_and_said():
    with pitline.Pipeline() as pipeline:
        load(pipeline)
        pipeline.kill()
        segment = sorted(os.path.join(pipeline.data, name) for name in os.listdir(pipeline.data)
                         if name.endswith(".journal"))[-1]
        before = pitline.digests(pitline.run("replay", pipeline.data))
        end = used_bytes(segment)
        with open(segment, "r+b") as file:
            file.seek(end + 512)  # a write of which the first sector is missing
            file.write(b"half a write " * 300)
        again = pitline.Pipeline(directory=pipeline.directory, name=pipeline.name)
        status, output = again.stop()
        assert status == 0 and ("torn" in output or "unfinished" in output), output
        assert pitline.digests(pitline.run("replay", pipeline.data, "--verify")) == before


def used_bytes(path):
    """Where the zeros at the end begin, in whole pages."""
    with open(path, "rb") as file:
        data = file.read()
    return (len(data.rstrip(b"\0")) + 4095) // 4096 * 4096


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def damage_stops_the_start_and_names_the_place():
    for last in (False, True):
        with pitline.Pipeline() as pipeline:
            load(pipeline)
            assert pipeline.stop()[0] == 0
            segment = sorted(os.path.join(pipeline.data, name) for name in os.listdir(pipeline.data)
                             if name.endswith(".journal"))[0]
            block = used_bytes(segment) - 4096 if last else 4096  # the full digest stands alone in the last one
            flip(segment, block + 130)
            with open(segment, "rb") as file:
                before = file.read()
            again = subprocess.run([pitline.BINARY, "run", "--data", pipeline.data, "--name", pipeline.name,
                                    "--listen", pipeline.socket], capture_output=True, text=True, timeout=60)
            assert again.returncode == 1, again
            for part in (segment, str(block), "copy", "truncate"):
                assert part in again.stderr, (part, again.stderr)
            with open(segment, "rb") as file:
                assert file.read() == before
            pitline.run("replay", pipeline.data, status=1)


def a_changed_symbol_is_refused_a_new_one_added():
    with pitline.Pipeline(symbols=["ABC"]) as pipeline:
        assert pipeline.stop()[0] == 0
        wrong = subprocess.run([pitline.BINARY, "run", "--data", pipeline.data, "--name", pipeline.name, "--listen",
                                pipeline.socket, "--symbol", "ABC,0.5"], capture_output=True, text=True, timeout=60)
        assert wrong.returncode in (1, 2) and "ABC" in wrong.stderr, (wrong.returncode, wrong.stderr)
        with pitline.Pipeline(directory=pipeline.directory, name=pipeline.name, symbols=["ABC", "NEW"]) as again:
            assert again.stop()[0] == 0
        assert "NEW" in pitline.run("replay", pipeline.data, "--book", "NEW")


def a_second_pipeline_does_without_the_default_port():
    import socket
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", 7400))
        taken.listen()
    except OSError:
        pass  # somebody else has it: as good
    with tempfile.TemporaryDirectory() as directory:
        name = "e2e-port-%d" % os.getpid()
        process = subprocess.Popen([pitline.BINARY, "run", "--name", name, "--data", directory + "/d", "--symbol", "ABC"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ready:"):
                break
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0 and any("7400 is taken" in line for line in lines), lines
        assert "unix:/tmp/pitline-%s.sock" % name in lines[-1] and "tcp:" not in lines[-1], lines
    taken.close()


def an_open_listener_without_keys_is_refused():
    with tempfile.TemporaryDirectory() as directory:
        result = subprocess.run([pitline.BINARY, "run", "--data", directory + "/d", "--listen", "tcp:0.0.0.0:7411"],
                                capture_output=True, text=True, timeout=60)
        assert result.returncode == 2 and "key" in result.stderr, (result.returncode, result.stderr)


def check_says_line_and_column():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "c.yaml")
        for text, place in (("name: x\nsymbols:\n  - name: ABC\n    tick: \"zero\"\n", ":4:"), ("nmae: x\n", ":1:"),
                            ("name: x\nrings:\n  input: 1000\n", ":3:"), ("name: [\n", ":")):
            with open(path, "w") as file:
                file.write(text)
            result = subprocess.run([pitline.BINARY, "check", "-c", path], capture_output=True, text=True)
            assert result.returncode == 2 and path + place in result.stdout + result.stderr, result
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    pitline.run("check", "-c", os.path.join(root, "docs/pitline.example.yaml"))


def config_of(pipeline_directory, text):
    path = os.path.join(pipeline_directory, "c.yaml")
    with open(path, "w") as file:
        file.write(text)
    return path


def a_journal_that_cannot_grow_ends_the_run_and_a_restart_goes_on():
    directory = tempfile.mkdtemp(prefix="pitline-e2e-")
    config = config_of(directory, "journal: {segment: 4MiB}\n")
    pipeline = pitline.Pipeline("-c", config, "--quiet", directory=directory)
    load(pipeline)
    before = pitline.digests(pitline.run("replay", pipeline.data))[2]
    resource.prlimit(pipeline.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    flow = subprocess.run([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "mixed", "--count", "20000",
                           "--quiet"], capture_output=True, text=True, timeout=60)
    output, _ = pipeline.process.communicate(timeout=60)
    assert pipeline.process.returncode == 1 and "the journal has stopped" in output, (pipeline.process, output)
    assert flow.returncode == 1, flow
    with pitline.Pipeline("-c", config, directory=directory) as again:
        load(again)
        assert again.stop()[0] == 0
        assert pitline.digests(pitline.run("replay", again.data, "--verify"))[2] > before
    shutil.rmtree(directory)


def a_demo_whose_disk_fails_says_so():
    demo = subprocess.Popen([pitline.BINARY, "run", "--demo=60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if line.startswith("ready:"):
            resource.prlimit(demo.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    assert demo.wait(timeout=60) == 1 and "the journal has stopped" in "".join(lines), lines
    kept = [line.split()[-1] for line in lines if line.startswith("what the demo wrote is in ")]
    assert len(kept) == 1 and os.path.isdir(kept[0]), lines
    shutil.rmtree(kept[0])


def more_sessions_than_a_shell_allows_open_files():
    directory = tempfile.mkdtemp(prefix="pitline-e2e-")
    config = config_of(directory, "limits: {sessions: 200}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        pipeline = pitline.Pipeline("-c", config, directory=directory)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pipeline:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(150)]
        for client in clients:
            client.settimeout(30)
            client.connect(pipeline.socket.split(":", 1)[1])
        assert all(client.recv(4096) for client in clients)
        for client in clients:
            client.close()
        assert pipeline.stop()[0] == 0
    shutil.rmtree(directory)


pitline.main(a_restart_goes_on_where_the_journal_ends, groupings_and_matchers_give_one_digest,
             a_directory_in_use_is_refused, a_torn_tail_is_cut_and_said, damage_stops_the_start_and_names_the_place,
             a_changed_symbol_is_refused_a_new_one_added, a_second_pipeline_does_without_the_default_port,
             an_open_listener_without_keys_is_refused, check_says_line_and_column,
             a_journal_that_cannot_grow_ends_the_run_and_a_restart_goes_on, a_demo_whose_disk_fails_says_so, more_sessions_than_a_shell_allows_open_files)
