#!/usr/bin/env python3
"""pitline tail beside a pipeline: waits for it, follows it, survives its restart, and stops when it should."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

import pitline


class Tail:
    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([pitline.BINARY, "tail", name, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines, self.notes = [], []
        self.readers = [threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True),
                        threading.Thread(target=lambda: self.notes.extend(self.process.stderr), daemon=True)]
        for reader in self.readers:
            reader.start()

    def wait_for(self, found, what):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found():
                return
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError("tail never printed %s; it printed %s and %s" % (what, self.lines[-5:], self.notes))

    def end(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        for reader in self.readers:
            reader.join(timeout=10)
        return status


def load(pipeline, count):
    pitline.run("load", "--address", pipeline.socket, "--flow", "exchange", "--count", count, "--quiet")


def tail_waits_follows_and_survives_a_restart():
    name = "e2e-tail-%d" % os.getpid()
    tail = Tail(name, "--format", "json")
    tail.wait_for(lambda: tail.notes, "that it waits")
    assert tail.process.poll() is None
    with pitline.Pipeline(name=name) as pipeline:
        load(pipeline, 3000)
        tail.wait_for(lambda: any('"trade"' in line for line in tail.lines), "a trade")
        pipeline.kill()
        with pitline.Pipeline(name=name, directory=pipeline.directory) as again:
            before = len(tail.lines)
            notes = len(tail.notes)
            tail.wait_for(lambda: len(tail.notes) > notes, "that the pipeline came back")
            load(again, 3000)
            tail.wait_for(lambda: any('"trade"' in line for line in tail.lines[before:]), "a trade after the restart")
            assert again.stop()[0] == 0
    tail.wait_for(lambda: any("stop" in note for note in tail.notes), "that the pipeline stopped")
    assert tail.end() == 0
    for line in tail.lines:
        event = json.loads(line)
        assert "account" not in event and "client_id" not in event, "not anonymous: %s" % line


def tail_shows_a_book():
    with pitline.Pipeline(symbols=["ABC"]) as pipeline:
        load(pipeline, 5000)
        out = subprocess.run([pitline.BINARY, "tail", pipeline.name, "--book", "--symbol", "ABC", "--count", "1"],
                             capture_output=True, text=True, timeout=60)
        assert out.returncode == 0 and "ABC" in out.stdout, out
        assert pipeline.stop()[0] == 0
        replayed = pitline.run("replay", pipeline.data, "--book", "ABC", "--depth", "1")
        best = [word for word in replayed.split("bid | ask")[1].split("\n")[1].split() if "." in word]
        for price in best:
            assert price in out.stdout, "the replayed best price %s is not in\n%s" % (price, out.stdout)


def one_that_stops_reading_is_told_what_it_lost():
    with pitline.Pipeline("--threads", "shared") as pipeline:
        tail = subprocess.Popen([pitline.BINARY, "tail", pipeline.name, "--format", "json", "--from-start"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        load(pipeline, 1000)
        tail.stdout.readline()
        tail.send_signal(signal.SIGSTOP)
        load(pipeline, 400000)  # several times around the ring
        tail.send_signal(signal.SIGCONT)
        types = set()
        for line in tail.stdout:
            event = json.loads(line)
            types.add(event["type"])
            if event["type"] == "lapped":
                assert event["lost"] > 0
            if {"lapped", "depth"} <= types:
                break
        tail.kill()
        tail.wait()


def market_data_is_never_writable_for_others():
    with pitline.Pipeline() as pipeline:
        directory = "/dev/shm/pitline-" + pipeline.name
        for path in [directory] + [os.path.join(directory, name) for name in os.listdir(directory)]:
            mode = os.stat(path).st_mode
            assert not mode & 0o022, "%s is writable for others: %o" % (path, mode)


pitline.main(tail_waits_follows_and_survives_a_restart, tail_shows_a_book, one_that_stops_reading_is_told_what_it_lost,
             market_data_is_never_writable_for_others)
