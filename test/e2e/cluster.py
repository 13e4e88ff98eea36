"""Runs clusters of real pitline processes for the end-to-end tests: a directory, a key, and a configuration a node."""
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

import client
import pitline

PATIENCE_SECONDS = 60  # a limit for a hung cluster, not an expectation


class Node:
    """One process. Its addresses and its directory stay the same from start to start."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.name = "%s-%d" % (cluster.name, number)
        self.data = os.path.join(cluster.directory, str(number))
        self.log = os.path.join(cluster.directory, "%d.log" % number)
        self.config = os.path.join(cluster.directory, "%d.yaml" % number)
        self.clients = cluster.client_address(number)
        self.process = None

    def start(self, *arguments):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([*self.cluster.prefix(self.number), pitline.BINARY, "run", "-c", self.config,
                                             *arguments], stdout=log, stderr=subprocess.STDOUT)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Clean stop. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def resident_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) << 10

    def output(self):
        with open(self.log) as log:
            return log.read()


class Cluster:
    """Use as a context manager: whatever still runs is killed at the end, and the directory removed."""

    def __init__(self, nodes=3, directory=None, election_ms=300, extra="", symbols=("ABC", "DEF")):
        self.kept = directory is not None
        self.directory = directory or tempfile.mkdtemp(prefix="pitline-cluster-")
        self.name = "e2e-%d-%d" % (os.getpid(), time.monotonic_ns() % 1000000)
        self.numbers = range(1, nodes + 1)
        self.election_ms = election_ms
        self.extra = extra
        self.symbols = symbols
        self.key_file = os.path.join(self.directory, "key")
        self.nodes = {number: Node(self, number) for number in self.numbers}
        if not os.path.exists(self.key_file):
            with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as key:
                key.write(secrets.token_hex(32) + "\n")
        for node in self.nodes.values():
            with open(node.config, "w") as config:
                config.write(self.configuration(node))

    def prefix(self, number):
        """What the command of a node begins with."""
        return []

    def client_address(self, number):
        return "unix:%s/%d.clients" % (self.directory, number)

    def peer_address(self, number):
        return "unix:%s/%d.peers" % (self.directory, number)

    def configuration(self, node):
        lines = ["name: %s" % node.name, "data: %s" % node.data, "listen:", "  - %s" % node.clients, "symbols:"]
        lines += ["  - name: %s" % symbol for symbol in self.symbols]
        lines += ["cluster:", "  name: %s" % os.path.basename(self.directory), "  node: %d" % node.number,
                  "  key_file: %s" % self.key_file, "  election_ms: %d" % self.election_ms, "  nodes:"]
        for number in self.numbers:
            lines += ["    - address: %s" % self.peer_address(number),
                      "      clients: %s" % self.client_address(number)]
        return "\n".join(lines) + "\n" + self.extra

    def start(self, *arguments):
        for node in self.nodes.values():
            node.start(*arguments)

    def status(self, node=None):
        """What `pitline cluster status --json` says on a node's machine (the first one's), or None when nobody answers."""
        node = node or self.nodes[1]
        result = subprocess.run([*self.prefix(node.number), pitline.BINARY, "cluster", "status", "-c", node.config,
                                 "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                timeout=PATIENCE_SECONDS)
        return json.loads(result.stdout) if result.stdout.strip() else None

    def wait(self, is_so, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            value = is_so()
            if value:
                return value
            for node in self.nodes.values():
                if node.process is not None and node.process.poll() not in (None, 0, -9):
                    raise AssertionError("node %d ended with status %d:\n%s" %
                                         (node.number, node.process.returncode, node.output()[-4000:]))
            time.sleep(0.01)
        raise AssertionError("%s took more than %d seconds\n%s" %
                             (what, PATIENCE_SECONDS,
                              "\n".join("node %d:\n%s" % (node.number, node.output()[-2000:])
                                        for node in self.nodes.values())))

    def leader(self):
        """The node that takes orders now, or None: asked as a client would, by logging on."""
        for node in self.nodes.values():
            if node.running() and takes_orders(node):
                return node
        return None

    def wait_leader(self):
        return self.wait(self.leader, "electing a leader")

    def level(self):
        """Whether all nodes have committed and done the same, as far as they say."""
        status = self.status()
        nodes = status["nodes"] if status else []
        return (len(nodes) == len(self.numbers) and all(node.get("reachable") for node in nodes) and
                len({node["committed"] for node in nodes}) == 1 and len({node["sequence"] for node in nodes}) == 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes.values():
            if node.running():
                node.process.send_signal(signal.SIGCONT)
                node.kill()
            shutil.rmtree("/dev/shm/pitline-" + node.name, ignore_errors=True)
        if not self.kept:
            shutil.rmtree(self.directory, ignore_errors=True)


def logged_on(node, account):
    """A session with a node, or None when it takes none now."""
    try:
        session = client.Client(node.clients)
    except OSError:
        return None
    session.socket.settimeout(5)
    with contextlib.suppress(OSError):
        if (session.receive() or [None])[0] == client.CHALLENGE:
            session.send(client.LOGON, 1, account, "e2e")
            answer = session.receive()
            if answer is not None and answer[0] == client.WELCOME:
                for _ in range(answer[2]):
                    session.receive()
                return session
    session.socket.close()
    return None


def takes_orders(node, account=4000000000):
    session = logged_on(node, account)
    if session:
        session.socket.close()
    return session is not None


def accepted_order(node, number, account=4000000001):
    """Whether a node accepts an order now: of one lot, taken back at once."""
    session = logged_on(node, account)
    if not session:
        return False
    try:
        session.send(client.NEW, 1, 0, number, client.BUY, client.GTC, 0, 1, 1)
        while True:
            answer = session.receive()
            if answer is None or answer[0] == client.REJECTED:
                return False
            if answer[0] == client.ACCEPTED:
                session.send(client.CANCEL, 2, 0, 0, number)
                return session.until(client.CANCELLED) is not None
    except (OSError, AssertionError):
        return False
    finally:
        session.socket.close()


def replayed(node, events=None):
    """(events digest, state digest, commands) of what a stopped node's log comes to, all digests in it compared."""
    output = pitline.run("replay", node.data, "--verify", *(["--events", events] if events else []))
    return pitline.digests(output)
