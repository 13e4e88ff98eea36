#!/usr/bin/env python3
"""A small file system fills up under a running pipeline, is freed, and fills up again: orders are refused, cancels last,
everything goes on by itself, and nothing acknowledged is lost. Needs to mount: as root, or in a user namespace."""
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pitline
from acks import compare
from client import *

SEED = int(os.environ.get("PIT_SEED", str(int(time.time()))))
MIB = 1 << 20
UNKNOWN_ORDER, DISK_FULL = 11, 45
SECONDS = 60  # a limit for what hangs, not an expectation
CONFIG = """
journal: {segment: 4MiB, reserve: 2MiB, cancel_reserve: 1MiB}
limits: {drain_ms: 60000}
"""
SPARSE = """
journal: {segment: 4MiB, reserve: 0, sync: never}
limits: {drain_ms: 60000}
"""


def run(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "there is no " + command[0])


class Disk:
    """A file system of 48 MiB, mounted; and a file in it that takes what the test says."""

    def __init__(self, *kinds, config=CONFIG):
        """The first of kinds that this machine mounts."""
        self.directory = tempfile.mkdtemp(prefix="pitline-full-")
        self.mount = os.path.join(self.directory, "disk")
        os.mkdir(self.mount)
        self.config = os.path.join(self.directory, "pitline.yaml")
        with open(self.config, "w") as file:
            file.write(config)
        for self.kind in kinds:
            result = self.attach(self.kind)
            if result.returncode == 0:
                break
        else:
            shutil.rmtree(self.directory)
            raise pitline.Skip("%s cannot be mounted here: %s" % (kinds[-1], " ".join(result.stdout.split())))
        self.data = os.path.join(self.mount, "data")
        self.ballast = os.path.join(self.mount, "ballast")

    def attach(self, kind):
        if kind == "tmpfs":
            return run("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", self.mount)
        image = os.path.join(self.directory, "image")
        with open(image, "wb") as file:
            file.truncate(48 * MIB)
        made = run("/sbin/mkfs.ext4", "-q", image)
        return made if made.returncode != 0 else run("mount", "-o", "loop", image, self.mount)

    def free(self):
        status = os.statvfs(self.mount)
        return status.f_bavail * status.f_frsize

    def fill(self, leave):
        """Leaves so many bytes free, or a little more."""
        with open(self.ballast, "ab") as file:
            while self.free() - leave > 65536:
                file.write(bytes(min(MIB, self.free() - leave - 32768)))
                file.flush()

    def empty(self):
        os.unlink(self.ballast)

    def pipeline(self, *arguments):
        return pitline.Pipeline("-c", self.config, "--data", self.data, *arguments, directory=self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.mount)
        shutil.rmtree(self.directory, ignore_errors=True)


class Trader(Client):
    """A client that waits for the one answer to each request."""
    request = 0

    def ask(self, kind, *fields):
        self.request += 1
        self.send(kind, self.request, self.symbols["ABC"], *fields)
        while True:
            message = self.receive()
            assert message is not None, "the server closed"
            if message[REQUEST] == self.request and message[FLAGS] & LAST:
                return message

    def reason(self, kind, *fields):
        """None, or why it was refused."""
        answer = self.ask(kind, *fields)
        return answer[OWN + 1] if answer[0] == REJECTED else None

    def order(self, client_id):
        return self.reason(NEW, client_id, BUY, GTC, 0, 500, 1)

    def until_reason(self, wanted, ask, what):
        """Asks again and again. Returns how often the answer was another one."""
        deadline = time.monotonic() + SECONDS
        times = 0
        while ask(times) != wanted:
            times += 1
            assert time.monotonic() < deadline, "not in %d s: %s" % (SECONDS, what)
        return times


def verify(disk):
    pitline.run("journal", "verify", disk.data)
    pitline.run("replay", disk.data, "--verify")


def orders_are_refused_and_cancels_last():
    with Disk("ext4", "tmpfs") as disk, disk.pipeline() as pipeline:
        disk.fill(leave=5 * MIB)
        trader = Trader(pipeline.socket, 7)
        taken = trader.until_reason(DISK_FULL, lambda n: trader.order(n + 1), "a new order is refused")
        assert taken > 100, taken
        # The rest is for cancels and reduces, and more than a few fit.
        assert trader.reason(REPLACE, 0, 1, 0, 501, 1) == DISK_FULL
        for number in range(1, 101):
            assert trader.reason(CANCEL, 0, number) is None, number
        assert trader.reason(CANCEL, 0, 1) == UNKNOWN_ORDER
        assert trader.order(1) == DISK_FULL
        # When it is used up everything is refused, and the pipeline still stops cleanly.
        cancels = trader.until_reason(DISK_FULL, lambda _: trader.reason(CANCEL, 0, 1), "cancels are refused")
        assert cancels > 50, cancels
        status, output = pipeline.stop()
        assert status == 0, output
        assert "the disk is full: " in output and "DISK FULL" in output, output
        verify(disk)
        print("# %s: %d orders and %d cancels until everything was refused" % (disk.kind, taken, cancels))

        # A start on the full disk recovers, and takes orders when there is space, without another start.
        with disk.pipeline() as pipeline:
            trader = Trader(pipeline.socket, 7)
            trader.until_reason(DISK_FULL, lambda _: trader.reason(CANCEL, 0, 1), "everything is refused")
            disk.empty()
            trader.until_reason(None, lambda _: trader.order(100000), "orders are taken")
            assert trader.reason(CANCEL, 0, 101) is None
            status, output = pipeline.stop()
            assert status == 0, output
            assert "the disk is full: " in output and "the disk has space again" in output, output
        verify(disk)


def load_until(pipeline, acks, seed):
    return subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "exchange", "--seed",
                             str(seed), "--accounts", "2", "--count", "100000000", "--rate", "20000", "--acks", acks,
                             "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def under_load_nothing_is_lost():
    """Fills and frees under load, fills again and kills it while it is full, starts it full, frees, and goes on."""
    dice = random.Random(SEED)
    with Disk("ext4", "tmpfs") as disk:
        acks, ends = os.path.join(disk.directory, "acks"), []
        with disk.pipeline("--threads", dice.choice(["shared", "dedicated"])) as pipeline:
            trader = Trader(pipeline.socket, 7)
            load = load_until(pipeline, acks, dice.randrange(1 << 30))
            disk.fill(leave=dice.randrange(7 * MIB))
            trader.until_reason(DISK_FULL, lambda n: trader.order(n + 1), "an order is refused")
            time.sleep(dice.uniform(0, 0.3))
            disk.empty()
            trader.until_reason(None, lambda n: trader.order(1000000 + n), "an order is taken")
            disk.fill(leave=dice.randrange(7 * MIB))
            trader.until_reason(DISK_FULL, lambda n: trader.order(3000000 + n), "an order is refused")
            time.sleep(dice.uniform(0, 0.5))
            pipeline.kill()
            assert load.wait(timeout=SECONDS) != 0, "load did not notice that the server died"
        ends.append(time.time_ns())
        with disk.pipeline() as pipeline:
            trader = Trader(pipeline.socket, 7)
            load = load_until(pipeline, acks, dice.randrange(1 << 30))
            trader.until_reason(DISK_FULL, lambda n: trader.order(4000000 + n), "an order is refused")
            disk.empty()
            trader.until_reason(None, lambda n: trader.order(5000000 + n), "an order is taken")
            status, output = pipeline.stop()
            assert status == 0, output
            load.wait(timeout=SECONDS)
        events = os.path.join(disk.directory, "events")
        pitline.run("journal", "verify", disk.data)
        pitline.run("replay", disk.data, "--verify", "--events", events)
        counts = compare(acks, events, ends)
        assert sum(counts.values()) > 1000, counts
        print("# %s: all there, each once: %s" % (disk.kind, dict(counts)))


def a_block_without_space_waits_and_is_answered():
    """Without syncs a segment is a hole, so that blocks themselves find no space."""
    with Disk("tmpfs", config=SPARSE) as disk, disk.pipeline() as pipeline:
        trader = Trader(pipeline.socket, 7)
        assert trader.order(1) is None
        disk.fill(leave=0)
        accepted, refused, sent = set(), set(), 1
        trader.socket.settimeout(0.01)
        deadline = time.monotonic() + SECONDS
        while not refused:
            assert time.monotonic() < deadline, "nothing was refused after %d orders" % sent
            sent += 1
            trader.send(NEW, sent, trader.symbols["ABC"], sent, BUY, GTC, 0, 500, 1)
            try:
                while True:
                    answer = trader.receive()
                    assert answer[0] == ACCEPTED or answer[OWN + 1] == DISK_FULL, answer
                    (accepted if answer[0] == ACCEPTED else refused).add(answer[REQUEST])
            except socket.timeout:
                continue
        waiting = set(range(2, sent + 1)) - accepted - refused
        assert waiting, "no block waited"
        # A newcomer is told at once, and what waits is answered when there is space.
        assert Trader(pipeline.socket, 8).order(1) == DISK_FULL
        disk.empty()
        trader.socket.settimeout(SECONDS)
        while waiting:
            answer = trader.receive()
            assert answer[0] == ACCEPTED, answer
            waiting.remove(answer[REQUEST])
        trader.request = sent
        assert trader.order(sent + 1) is None
        status, output = pipeline.stop()
        assert status == 0, output
        assert "Everything is rejected" in output and "the disk has space again" in output, output
        verify(disk)


def a_stop_that_cannot_write_the_last_says_so():
    with Disk("tmpfs", config=SPARSE.replace("60000", "500")) as disk, disk.pipeline() as pipeline:
        trader = Trader(pipeline.socket, 7)
        assert trader.order(1) is None
        disk.fill(leave=0)
        trader.until_reason(DISK_FULL, lambda n: send_and_look(trader, n), "an order is refused")
        status, output = pipeline.stop()
        assert status == 1, output
        assert "stopped after 500 ms of draining: the disk is full" in output, output
        verify(disk)


def send_and_look(trader, number):
    """Sends an order; the reason of an answer that is there, if it is a refusal."""
    trader.send(NEW, number + 2, trader.symbols["ABC"], number + 2, BUY, GTC, 0, 500, 1)
    trader.socket.settimeout(0.01)
    try:
        answer = trader.receive()
        return answer[OWN + 1] if answer[0] == REJECTED else None
    except socket.timeout:
        return None


def a_new_journal_needs_its_first_segment():
    with Disk("tmpfs") as disk:
        disk.fill(leave=3 * MIB)
        output = pitline.run("run", "-c", disk.config, "--data", disk.data, "--listen",
                             "unix:" + os.path.join(disk.directory, "socket"), "--symbol", "ABC", status=1)
        assert "cannot prepare a segment of 4194304 bytes" in output and "bytes are free" in output, output
        assert os.listdir(disk.data) == ["lock"], os.listdir(disk.data)


# Who may not mount may perhaps as root of a namespace of its own.
if os.geteuid() != 0 and not os.environ.get("PIT_NAMESPACE") and run("unshare", "-Urm", "true").returncode == 0:
    os.environ["PIT_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-Urm", sys.executable, *sys.argv])
print("# PIT_SEED=%d" % SEED)
pitline.main(orders_are_refused_and_cancels_last, under_load_nothing_is_lost, a_block_without_space_waits_and_is_answered,
             a_stop_that_cannot_write_the_last_says_so, a_new_journal_needs_its_first_segment)
