"""Runs the real pitline binary for the end-to-end tests: one pipeline on a directory and a Unix socket of its own."""
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("PITLINE", "build/tools/pitline")
START_SECONDS = 120  # a limit for a hung start, not an expectation


class Pipeline:
    """A running `pitline run`. Use as a context manager: it is stopped, and its directory removed, at the end."""

    def __init__(self, *arguments, name=None, directory=None, symbols=("ABC", "DEF"), binary=BINARY, wait=True):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="pitline-e2e-")
        self.data = os.path.join(self.directory, "data")
        self.socket = "unix:" + os.path.join(self.directory, "gateway.sock")
        self.name = name or "e2e-%d-%d" % (os.getpid(), time.monotonic_ns() % 1000000)
        self.log = []
        command = [binary, "run", "--name", self.name, "--data", self.data, "--listen", self.socket]
        for symbol in symbols:
            command += ["--symbol", symbol]
        self.process = subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        # Straight from the pipe: lines that a buffered reader has taken already would not make select return again.
        deadline = time.monotonic() + START_SECONDS
        selector = selectors.DefaultSelector()
        selector.register(self.process.stdout, selectors.EVENT_READ)
        output = b""
        while time.monotonic() < deadline:
            if not selector.select(timeout=1):
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            output += data
            if re.search(rb"^ready:.*\n", output, re.M):
                # From here on the output is read at the end only; a pipe holds 64 KiB, so keep it small.
                self.log.append(output.decode())
                return
            if not data:
                break
        self.process.kill()
        raise AssertionError("the pipeline did not get ready:\n" + output.decode())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, number=signal.SIGTERM):
        """Clean stop. Returns (exit status, everything it printed)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=START_SECONDS)
        return self.process.returncode, "".join(self.log) + output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree("/dev/shm/pitline-" + self.name, ignore_errors=True)


def run(*arguments, binary=BINARY, status=0, timeout=300):
    """Runs a subcommand to its end and returns its output. status None: any exit status is right."""
    result = subprocess.run([binary, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=timeout)
    if status is not None and result.returncode != status:
        raise AssertionError("pitline %s: exit status %d, not %s\n%s" %
                             (" ".join(map(str, arguments)), result.returncode, status, result.stdout))
    return result.stdout


def digests(output):
    """The digests a replay printed: (events, state, commands)."""
    found = re.search(r"events-digest ([0-9a-f]+) state-digest ([0-9a-f]+) commands (\d+)", output)
    if not found:
        raise AssertionError("no digest in:\n" + output)
    return found[1], found[2], int(found[3])


def json_lines(path):
    with open(path) as lines:
        for line in lines:
            if line.endswith("\n"):  # the last one may be torn by a kill
                yield json.loads(line)


class Skip(Exception):
    """Raised by a test that this machine cannot run; says why."""


def main(*tests):
    """Runs test functions as TAP."""
    print("1..%d" % len(tests))
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print("ok %d - %s" % (number, test.__name__))
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, test.__name__, reason))
        except Exception as error:  # every failure is a line, and the rest still runs
            failed += 1
            print("not ok %d - %s" % (number, test.__name__))
            print("\n".join("# " + line for line in (type(error).__name__ + ": " + str(error)).split("\n")))
        sys.stdout.flush()
    sys.exit(bool(failed))
