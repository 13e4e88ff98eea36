#!/usr/bin/env python3
"""kill -9 under load, and broken connections, with clients that resume: every request they ever sent is done exactly
once, by the journal's own account, and every one is answered, with what really became of it.

PIT_RESUME_ROUNDS   kills [5]
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time

import client as wire
import pitline

ROUNDS = int(os.environ.get("PIT_RESUME_ROUNDS", "5"))
SEED = int(os.environ.get("PIT_SEED", str(int(time.time()))))
print("# PIT_SEED=%d PIT_RESUME_ROUNDS=%d" % (SEED, ROUNDS))
WINDOW = 256


class Connection(wire.Client):
    def receive(self):
        message = super().receive()
        if message is None:
            raise ConnectionError("the server closed")
        return message


class Resumer:
    """A client that never gives up. A request it wants done it sends until it is answered."""

    def __init__(self, account, path):
        self.account, self.path = account, path
        self.dice = random.Random(SEED * 100 + account)
        self.sent = 0                             # the last request number
        self.unanswered = collections.OrderedDict()
        self.answers = {}                         # request -> [sequence, order id, traded, open, first kind]
        self.so_far = {}                          # likewise, of one whose last report has not come
        self.repeated = self.again = 0
        self.orders = collections.deque(maxlen=50)
        self.connection = None

    def order(self):
        self.sent += 1
        dice, kind = self.dice, self.dice.random()
        if kind < 0.7 or not self.orders:
            message = (wire.NEW, self.sent, dice.randrange(2), self.sent, dice.randrange(2), dice.choice((0, 0, 0, 1, 2)), 0,
                       dice.randint(95, 105), dice.randint(1, 50))
        elif kind < 0.8:
            symbol, order = dice.choice(self.orders)
            message = (wire.REPLACE, self.sent, symbol, order, 0, 0, dice.randint(95, 105), dice.randint(1, 50))
        elif kind < 0.9:
            symbol, order = dice.choice(self.orders)
            message = (wire.REDUCE, self.sent, symbol, order, 0, dice.randint(1, 50))
        else:
            symbol, order = dice.choice(self.orders)
            message = (wire.CANCEL, self.sent, symbol, order, 0)
        self.unanswered[self.sent] = message
        return message

    def connect(self):
        self.so_far = {}
        self.connection = Connection(self.path, self.account)
        self.connection.send(wire.RESUME)
        resumed = self.connection.until(wire.RESUMED)
        assert resumed[2] == WINDOW and resumed[1] <= self.sent, resumed
        # Nothing that was answered may be forgotten.
        assert resumed[1] >= max(self.answers, default=0), (resumed, max(self.answers))
        self.send(self.unanswered.values())

    def send(self, messages):
        self.connection.socket.sendall(b"".join(map(wire.frame, messages)))

    def hear(self, message):
        kind, request = message[0], message[1]
        if kind == wire.RESULT:
            _, _, sequence, symbol, order, outcome, reason, traded, opened = message
            assert outcome, "request %d is not kept: %r" % (request, message)
            found = [sequence, order, traded, opened, outcome]
            if request in self.answers:
                assert self.answers[request] == found, (self.answers[request], message)
                self.again += 1
            else:
                self.repeated += 1
                self.answers[request] = found
                del self.unanswered[request]
            return
        if kind < wire.ACCEPTED or kind > wire.STATE_CHANGED or request == 0:
            return
        assert request not in self.answers, "request %d was answered before: %r" % (request, message)
        own = message[wire.OWN:]
        so_far = self.so_far.setdefault(request, [message[wire.SEQUENCE], message[wire.ORDER], 0, 0, kind])
        if kind == wire.TRADE:
            so_far[2] += own[4]
            so_far[3] = own[5]
        elif kind in (wire.ACCEPTED, wire.RESTED):
            so_far[3] = own[2]
        elif kind in (wire.REDUCED, wire.REPLACED):
            so_far[3] = own[2]
        elif kind == wire.CANCELLED:
            so_far[3] = 0
        if kind == wire.ACCEPTED:
            self.orders.append((message[4], message[wire.ORDER]))
        if message[wire.FLAGS] & wire.LAST:
            self.answers[request] = self.so_far.pop(request)
            del self.unanswered[request]

    def room(self):
        return WINDOW - 1 - (self.sent - min(self.unanswered, default=self.sent))

    def work(self, until):
        """Until the server dies or it is time."""
        while not until.is_set():
            if self.dice.random() < 0.02:
                self.connection.socket.close()  # with whatever is unread in it
                self.connect()
            batch = [self.order() for _ in range(min(self.room(), self.dice.randint(0, 60)))]
            if self.dice.random() < 0.2 and not self.unanswered and self.sent > 20:  # one that was answered
                number = self.sent - self.dice.randint(0, 19)
                batch.append((wire.CANCEL, number, 0, 12345, 0))
            self.send(batch)
            token = self.sent + 1
            self.send([(wire.HEARTBEAT, token)])
            for _ in range(self.dice.choice((0, 1, 5, 100000))):
                message = self.connection.receive()
                self.hear(message)
                if message[0] == wire.HEARTBEAT:
                    break

    def finish(self):
        self.connect()
        while self.unanswered:
            self.hear(self.connection.receive())
        # All that is in the window, once more: as it was answered.
        before = self.again
        kept = [number for number in range(max(1, self.sent - WINDOW + 1), self.sent + 1)]
        self.send([(wire.CANCEL, number, 0, 1, 0) for number in kept])
        while self.again < before + len(kept):
            self.hear(self.connection.receive())


def follow(resumer, until, problems):
    try:
        resumer.connect()
        resumer.work(until)
    except (ConnectionError, FileNotFoundError):  # killed
        pass
    except Exception as error:
        problems.append("account %d: %s %s" % (resumer.account, type(error).__name__, error))


def one_round(dice, directory, resumers, last):
    arguments = ["--threads", dice.choice(["shared", "dedicated"]), "--matchers", dice.choice(["1", "2"]),
                 "--snapshot-every", dice.choice(["0", "700", "5000"])]
    problems = []
    with pitline.Pipeline(*arguments, directory=directory) as pipeline:
        if last:
            for resumer in resumers:
                resumer.finish()
            status, output = pipeline.stop()
            assert status == 0, output
            return pipeline.data
        until = threading.Event()
        threads = [threading.Thread(target=follow, args=(resumer, until, problems)) for resumer in resumers]
        for thread in threads:
            thread.start()
        time.sleep(dice.uniform(0.1, 0.5))
        pipeline.kill()
        until.set()
        for thread in threads:
            thread.join(timeout=60)
        assert not problems, problems
    return None


def compare(data, resumers):
    """What the journal says was done."""
    output = pitline.run("journal", "cat", data)
    done = collections.Counter()
    sequences = {}
    for line in output.splitlines():
        command = json.loads(line)
        if command.get("account"):
            done[command["account"], command["request"]] += 1
            sequences[command["account"], command["request"]] = command["sequence"]
    for resumer in resumers:
        assert len(resumer.answers) == resumer.sent, (len(resumer.answers), resumer.sent)
        for request, answer in resumer.answers.items():
            assert done.pop((resumer.account, request)) == 1, (resumer.account, request)
            assert sequences[resumer.account, request] == answer[0], (resumer.account, request, answer)
    assert not done, done


def snapshots_agree(data):
    """The results in the snapshots that were taken on the way, and in those of the journal from its beginning."""
    taken = sorted(int(path.name[9:29]) for path in pathlib.Path(data).glob("snapshot-*.pit"))
    with tempfile.TemporaryDirectory(prefix="pitline-resume-") as directory:
        copy = os.path.join(directory, "data")
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.pit"))
        for sequence in taken + [0]:
            at = ["--at", str(sequence)] if sequence else []
            wanted = json.loads(pitline.run("snapshot", data, "--json", *at))
            found = json.loads(pitline.run("snapshot", copy, "--json", *at))
            assert found["results_digest"] == wanted["results_digest"], (found, wanted)
            assert found["results"] == wanted["results"] > 0 and found["accounts"] == wanted["accounts"] > 0
            for path in pathlib.Path(copy).glob("*.pit"):
                path.unlink()
    return len(taken)


def every_request_is_done_exactly_once_and_answered():
    dice = random.Random(SEED)
    directory = tempfile.mkdtemp(prefix="pitline-resume-")
    path = "unix:" + os.path.join(directory, "gateway.sock")
    resumers = [Resumer(account, path) for account in (1, 2, 900000)]
    try:
        for _ in range(ROUNDS):
            one_round(dice, directory, resumers, False)
        data = one_round(dice, directory, resumers, True)
        compare(data, resumers)
        taken = snapshots_agree(data)
        sent, repeated = sum(r.sent for r in resumers), sum(r.repeated for r in resumers)
        assert sent > 500 and repeated > 10, (sent, repeated)
        print("# %d requests, %d answered by RESULT, %d asked for again, %d snapshots" %
              (sent, repeated, sum(r.again for r in resumers), taken))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def figure(output, name):
    return int(re.search(r"^%s +(\d+)" % name, output, re.M)[1])


def load_outlives_kills():
    """The C client, which `pitline load` is made of."""
    dice = random.Random(SEED + 1)
    directory = tempfile.mkdtemp(prefix="pitline-resume-")
    nobody = "unix:" + os.path.join(directory, "nobody.sock")
    try:
        with pitline.Pipeline(directory=directory) as pipeline:
            load = subprocess.Popen([pitline.BINARY, "load", "--address", nobody + "," + pipeline.socket, "--resume", "--flow",
                                     "mixed", "--accounts", "3", "--count", "20000", "--rate", "8000", "--quiet"],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            time.sleep(dice.uniform(0.1, 0.5))
            pipeline.kill()
        for _ in range(2):
            with pitline.Pipeline("--snapshot-every", "3000", directory=directory) as pipeline:
                time.sleep(dice.uniform(0.1, 0.5))
                pipeline.kill()
        with pitline.Pipeline(directory=directory) as pipeline:
            output, _ = load.communicate(timeout=120)
            assert load.returncode == 0, output
            assert figure(output, "sent") == figure(output, "answered") == 20000, output
            assert figure(output, "unknown") == figure(output, "twice") == 0 < figure(output, "resumed"), output
            assert pipeline.stop()[0] == 0
            data = pipeline.data
        done = collections.Counter()
        for line in pitline.run("journal", "cat", data).splitlines():
            command = json.loads(line)
            if command.get("account"):
                done[command["account"], command["request"]] += 1
        assert len(done) == 20000 and max(done.values()) == 1, (len(done), max(done.values()))
        print("# %s" % re.search(r"^resumed.*$", output, re.M)[0])
    finally:
        load.kill()
        load.wait()
        shutil.rmtree(directory, ignore_errors=True)


def load_gives_up_and_counts_what_is_unknown():
    with pitline.Pipeline() as pipeline:
        load = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--resume", "--give-up", "50", "--flow",
                                 "mixed", "--accounts", "2", "--count", "100000000", "--quiet"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(0.3)
        pipeline.kill()
        output, _ = load.communicate(timeout=120)
        assert load.returncode == 1, output
        assert figure(output, "unknown") > 0, output
        assert figure(output, "sent") == figure(output, "answered") + figure(output, "unknown"), output
        assert "no server took the session back in time" in output and "requests is unknown" in output, output


pitline.main(every_request_is_done_exactly_once_and_answered, load_outlives_kills, load_gives_up_and_counts_what_is_unknown)
