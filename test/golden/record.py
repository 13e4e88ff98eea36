#!/usr/bin/env python3
"""record.py PITLINE [NAME]: records what this pitline writes, for every later one to read, into test/golden/VERSION (or NAME).

A pipeline takes orders of every kind from three accounts over its wire, is killed, started again with another price band,
halts and resumes a symbol, and is stopped. Its journal, two snapshots of it and the digests go into the directory; README.md
there says more. The orders are the same each time, the times are those of the clock.
"""
import hashlib
import io
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tarfile
import tempfile

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
os.environ["PITLINE"] = os.path.abspath(sys.argv[1])
here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "e2e"))
import pitline  # noqa: E402
import test_wire as wire  # noqa: E402

COMMANDS = 17500  # one digest on the way, at 16,384
ROUND = 250       # requests before the answers are read
CONFIG = """
journal: {segment: 4MiB}
symbols:
  - {name: PLAIN, tick: "0.01", lot: "1", price_max: "%s"}
  - {name: FINE, tick: "0.00000005", lot: "0.00000001"}
  - {name: SMALL, tick: "5", lot: "100", orders_max: 40, levels_max: 12}
accounts:
  - {account: 1, operates: true}
  - {account: 2}
  - {account: 3}
"""
NEW, CANCEL, REDUCE, REPLACE, STATE = wire.NEW, wire.CANCEL, wire.REDUCE, wire.REPLACE, wire.STATE
MARKET, POST_ONLY = 1, 2
RESULTS = ("sequence", "time_ns", "commands", "events", "trades", "rejects", "resting", "digests_compared", "events_digest",
           "state_digest")
chance = random.Random(20261121)


class Trader:
    """One account: sends requests that mostly make sense and remembers what it may cancel."""

    def __init__(self, pipeline, account):
        self.client = wire.Client(pipeline.socket, account)
        self.account = account
        self.request = 0
        self.recent = []  # (symbol, client id)

    def send_one(self):
        self.request += 1
        symbol = chance.choice(sorted(self.client.symbols.values()))
        what = chance.randrange(100)
        if what < 55 or not self.recent:
            self.new(symbol, what)
            return
        symbol, client_id = chance.choice(self.recent[-60:])
        price, quantity = chance.randrange(980, 1021), chance.randrange(1, 60)
        if what < 73:
            self.client.send(CANCEL, self.request, symbol, 0, client_id)
        elif what < 85:
            self.client.send(REDUCE, self.request, symbol, 0, client_id, quantity // 3 + 1)
        else:
            self.client.send(REPLACE, self.request, symbol, 0, client_id, POST_ONLY if what > 97 else 0, price, quantity)

    def new(self, symbol, what):
        client_id = self.account * 1000000 + self.request if what % 5 else 0
        side, tif, flags = chance.randrange(2), wire.GTC, 0
        price = chance.randrange(985, 1006) if side == wire.BUY else chance.randrange(995, 1016)
        if what < 3:
            price = 10 ** 9  # beyond the band of some
        elif what < 6:
            tif, flags, price = wire.IOC, MARKET, 0
        elif what < 10:
            tif = wire.IOC
        elif what < 14:
            tif = wire.FOK
        elif what < 18:
            flags = POST_ONLY
        self.client.send(NEW, self.request, symbol, client_id, side, tif, flags, price, chance.randrange(1, 60))
        if client_id:
            self.recent.append((symbol, client_id))

    def state(self, name, state):
        self.request += 1
        self.client.send(STATE, self.request, self.client.symbols[name], state)

    def settle(self):
        """Reads until everything sent is answered."""
        self.client.send(wire.HEARTBEAT, self.request)
        while self.client.until(wire.HEARTBEAT)[1] != self.request:
            pass


def trade(pipeline, traders, commands):
    for _ in range(commands // ROUND):
        for number in range(ROUND):
            traders[number % len(traders)].send_one()
        for trader in traders:
            trader.settle()


def record_run(directory):
    config = os.path.join(directory, "pitline.yaml")
    snapshots = []
    for run, (share, price_max) in enumerate(((0.6, "12.00"), (0.4, "10.10"))):
        with open(config, "w") as file:
            file.write(CONFIG % price_max)
        with pitline.Pipeline("-c", config, directory=directory, symbols=[]) as pipeline:
            traders = [Trader(pipeline, account) for account in (1, 2, 3)]
            trade(pipeline, traders, int(COMMANDS * share / 2))
            traders[0].state("FINE", 1)
            trade(pipeline, traders, ROUND)
            traders[0].state("FINE", 0)
            trade(pipeline, traders, int(COMMANDS * share / 2))
            snapshots.append(json.loads(pitline.run("snapshot", pipeline.data, "--json")))
            if run == 0:
                pipeline.kill()
            else:
                status, output = pipeline.stop()
                assert status == 0, output
    return pipeline.data, snapshots


def told(data, *arguments):
    result = subprocess.run([pitline.BINARY, "replay", data, "--json", *map(str, arguments)], check=True, text=True,
                            stdout=subprocess.PIPE)
    found = json.loads(result.stdout)
    return {name: found[name] for name in RESULTS}


def main():
    version = subprocess.run([pitline.BINARY, "--version"], check=True, text=True, stdout=subprocess.PIPE).stdout.split()[1]
    target = here / (sys.argv[2] if len(sys.argv) > 2 else version)
    with tempfile.TemporaryDirectory(prefix="pitline-record-") as directory:
        data, snapshots = record_run(directory)
        names = sorted(name for name in os.listdir(data) if name.endswith((".journal", ".pit")))
        files = {name: pathlib.Path(data, name).read_bytes() for name in names}
        whole = told(data, "--verify")
        assert whole["digests_compared"] >= 2 and whole["trades"] > 1000 and whole["rejects"] > 1000, whole
        counts = dict(re.findall(r"(new|cancel|reduce|replace|symbol|state) (\d+)", pitline.run("replay", data)))
        assert all(int(count) > 1 for count in counts.values()), counts
        first = next(name for name in names if name.endswith(".journal"))
        manifest = {
            "pitline": version,
            "journal_version": struct.unpack_from("<I", files[first], 8)[0],
            "snapshot_version": files[next(name for name in names if name.endswith(".pit"))][8 + 16 + 1],
            "kinds": {kind: int(count) for kind, count in counts.items()},
            "whole": whole,
            "until": [told(data, "--verify", "--until", until) for until in (1000, 5000, 10000, 16384)],
            "snapshots": [snapshot["sequence"] for snapshot in snapshots],
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }
    target.mkdir(exist_ok=True)
    with tarfile.open(target / "journal.tar.xz", "w:xz", preset=9) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print("%s: %d commands, %d bytes" % (target, whole["commands"], (target / "journal.tar.xz").stat().st_size))


main()
