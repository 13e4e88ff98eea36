#!/usr/bin/env python3
"""`pitline load`, `halt` and `resume` against a running pipeline: everything over the real wire."""
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import pitline  # noqa: E402

KEYS = {1: "00112233445566778899aabbccddeeff", 2: "ffeeddccbbaa99887766554433221100"}


def figure(output, name):
    """A figure of the summary: `name   123  (...)`."""
    found = re.search(r"^ *%s +(\d+)" % name, output, re.M)
    if not found:
        raise AssertionError("no '%s' in:\n%s" % (name, output))
    return int(found[1])


def load(pipeline, *arguments, status=0):
    return pitline.run("load", "--address", pipeline.socket, "--quiet", *arguments, status=status)


def every_request_of_every_flow_is_answered():
    with pitline.Pipeline() as pipeline:
        for flow in ("exchange", "itch-like", "mixed"):
            output = load(pipeline, "--flow", flow, "--count", 120000, "--accounts", 3, "--window", 700)
            assert figure(output, "sent") == figure(output, "answered") == 120000, output
            assert figure(output, "unknown") == 0, output
            assert figure(output, "accepted") > 5000, output
            assert figure(output, "trades") > 100, output
        status, output = pipeline.stop()
        assert status == 0, output
        pitline.run("replay", pipeline.data, "--verify")


def one_session_in_order_is_refused_nothing():
    with pitline.Pipeline() as pipeline:
        for flow in ("exchange", "mixed"):
            output = load(pipeline, "--flow", flow, "--count", 50000, "--symbols", "ABC" if flow == "mixed" else "DEF")
            assert figure(output, "rejected") == 0, output
    for flow in ("flash-crash", "depth"):
        with pitline.Pipeline() as pipeline:
            output = load(pipeline, "--flow", flow, "--count", 30000)
            assert figure(output, "rejected") == 0, output


def a_second_load_does_not_collide_with_the_first():
    with pitline.Pipeline() as pipeline:
        load(pipeline, "--flow", "exchange", "--count", 5000)
        output = load(pipeline, "--flow", "exchange", "--count", 5000)
        assert "duplicate_id" not in output, output
        output = load(pipeline, "--flow", "exchange", "--count", 5000, "--id-base", 7)
        output = load(pipeline, "--flow", "exchange", "--count", 5000, "--id-base", 7)
        assert "duplicate_id" in output, output


def acknowledgements_are_all_written():
    with pitline.Pipeline() as pipeline, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "acks")
        output = load(pipeline, "--flow", "mixed", "--count", 30000, "--accounts", 2, "--acks", path)
        reports = [ack["report"] for ack in pitline.json_lines(path)]
        assert reports.count("accepted") == figure(output, "accepted")
        assert reports.count("cancelled") == figure(output, "cancelled")
        assert reports.count("replaced") == figure(output, "replaced")
        assert reports.count("reduced") == figure(output, "reduced")
        resting = int(re.search(r"\((\d+) reports of resting orders\)", output)[1])
        assert reports.count("trade") == figure(output, "trades") + resting
        line = json.loads(open(path).readline())
        for field in ("sequence", "order_id", "client_id", "account", "symbol", "price", "quantity"):
            assert field in line, line


def load_says_when_the_pipeline_stops():
    for kill in (False, True):
        with pitline.Pipeline() as pipeline:
            running = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "exchange",
                                        "--count", "0", "--accounts", "2", "--quiet"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
            time.sleep(0.4)
            if kill:
                pipeline.kill()
            else:
                status, output = pipeline.stop()
                assert status == 0, output
            output, _ = running.communicate(timeout=60)
            assert running.returncode == 1, output
            assert figure(output, "sent") > 0, output
            assert figure(output, "sent") == figure(output, "answered") + figure(output, "unknown"), output
            assert ("is unknown" if figure(output, "unknown") else "everything that was sent is answered") in output
            if not kill:  # what the pipeline took it has answered: unknown is only what it never read
                refused = figure(output, "shutting_down") if "shutting_down" in output else 0
                _, _, commands = pitline.digests(pitline.run("replay", pipeline.data, "--verify"))
                assert commands == figure(output, "answered") - refused + len(("ABC", "DEF")), output


def interrupted_load_waits_for_its_answers():
    with pitline.Pipeline() as pipeline:
        running = subprocess.Popen([pitline.BINARY, "load", "--address", pipeline.socket, "--flow", "exchange",
                                    "--count", "0", "--quiet"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.4)
        running.terminate()
        output, _ = running.communicate(timeout=60)
        assert running.returncode == 0, output
        assert figure(output, "sent") == figure(output, "answered") > 0, output


def a_pace_is_kept():
    with pitline.Pipeline() as pipeline:
        output = load(pipeline, "--flow", "exchange", "--count", 2000, "--rate", 4000)
        seconds = float(re.search(r"in ([\d.]+) s", output)[1])
        assert seconds > 0.45, output  # 2,000 at 4,000 a second cannot be faster
        assert "from when each was due" in output, output


def bad_arguments_are_told():
    with pitline.Pipeline() as pipeline:
        for arguments, status, saying in (
                (["--flow", "nothing"], 2, "there is no flow 'nothing'; there are exchange, itch-like, mixed, static"),
                (["--flow", "wide"], 1, "its price band holds fewer"),
                (["--flow", "exchange", "--symbols", "NOPE"], 1, "no symbol 'NOPE'"),
                (["--flow", "exchange", "--symbols", "9"], 1, "the pipeline has 2"),
                (["--bitstamp", "/nowhere", "--symbols", "ABC"], 1, "/nowhere"),
                (["--itch", "/nowhere"], 1, "/nowhere"),
                (["--flow", "exchange", "--itch", "x"], 2, "one of"),
                (["--flow", "exchange", "--rate", "0"], 2, "--rate: '0' is not a whole number from 1"),
                (["--bitstamp", "x", "--accounts", "2"], 2, "one account"),
        ):
            output = load(pipeline, *arguments, status=status)
            assert saying in output, output
        output = pitline.run("load", "--address", "unix:/nowhere", "--flow", "exchange", status=1)
        assert "/nowhere" in output, output


def message(kind, locate, fields):
    body = kind + struct.pack(">HH", locate, 0) + (34200 * 10**9).to_bytes(6, "big") + fields
    return struct.pack(">H", len(body)) + body


def itch_day():
    """Two stocks that are known, one that is not; every kind of message that matters."""
    day = message(b"R", 1, b"AAPL    " + b"." * 20) + message(b"R", 2, b"MSFT    " + b"." * 20)
    day += message(b"R", 3, b"OTHER   " + b"." * 20)

    def add(locate, stock, reference, side, shares, price, kind=b"A"):
        return message(kind, locate, struct.pack(">QcI8sI", reference, side, shares, stock.ljust(8), price) +
                       (b"NSDQ" if kind == b"F" else b""))

    for n in range(100):  # 100 bids and asks in each
        for locate, stock in ((1, b"AAPL"), (2, b"MSFT")):
            day += add(locate, stock, 1000 * locate + n, b"B", 100, 1500000 - 100 * n)
            day += add(locate, stock, 1000 * locate + 500 + n, b"S", 100, 1500100 + 100 * n, b"F")
    day += add(3, b"OTHER", 9000, b"B", 100, 10000)
    day += message(b"X", 1, struct.pack(">QI", 1000, 40))  # best bid of AAPL: 60 left
    day += message(b"E", 1, struct.pack(">QIQ", 1000, 60, 1))  # ... executed: gone
    day += message(b"E", 1, struct.pack(">QIQ", 1500, 30, 2))  # best ask: 70 left
    day += message(b"C", 1, struct.pack(">QIQcI", 1500, 70, 3, b"Y", 1500050))  # at a better price: gone
    day += message(b"U", 2, struct.pack(">QQII", 2050, 7000, 500, 1500050))  # MSFT: a bid becomes the best one
    day += message(b"E", 2, struct.pack(">QIQ", 7000, 500, 4))
    day += message(b"D", 2, struct.pack(">Q", 2099))
    day += message(b"P", 2, b"." * 33)
    day += message(b"D", 3, struct.pack(">Q", 9000))
    return day


def itch_file_over_the_wire():
    with tempfile.TemporaryDirectory() as directory:
        day = itch_day()
        path = os.path.join(directory, "day.itch.gz")
        with gzip.open(path, "wb") as file:
            file.write(day)
        needed = pitline.run("load", "--itch", path, "--list-symbols").split()
        assert needed == ["--symbol", "AAPL,0.0001,1", "--symbol", "MSFT,0.0001,1", "--symbol", "OTHER,0.0001,1"], needed
        with pitline.Pipeline(symbols=("AAPL,0.0001,1", "MSFT,0.0001,1")) as pipeline:
            output = load(pipeline, "--itch", path)
            assert figure(output, "sent") == figure(output, "answered") == 400 + 7, output
            assert figure(output, "trades") == 4, output
            assert figure(output, "rejected") == 0, output
            assert figure(output, "reduced") == 1 and figure(output, "replaced") == 1, output
            assert figure(output, "cancelled") == 1, output
            assert "1 orders of stocks the pipeline does not have" in output and "P 1" in output, output
            pipeline.stop()
            book = pitline.run("replay", pipeline.data, "--verify", "--book", "AAPL")
            assert "149.99" in book, book
            broken = os.path.join(directory, "broken.itch")
            with open(broken, "wb") as file:
                file.write(day[:-5])
        with pitline.Pipeline(symbols=("AAPL,0.0001,1", "MSFT,0.0001,1")) as pipeline:
            output = load(pipeline, "--itch", broken, status=1)  # what was whole is sent all the same
            assert figure(output, "sent") == figure(output, "answered") == 400 + 7, output
            assert "cut off at byte %d" % (len(day) - 21) in output, output


def keys_are_proved_and_only_operators_halt():
    with tempfile.TemporaryDirectory(prefix="pitline-load-") as directory:
        config = os.path.join(directory, "config.yaml")
        with open(config, "w") as file:
            file.write("accounts:\n")
            for account, key in KEYS.items():
                file.write("  - account: %d\n    key: %s\n    operates: %s\n" %
                           (account, key, "true" if account == 1 else "false"))
        keys = os.path.join(directory, "keys")
        with open(keys, "w") as file:
            file.write("# both\n")
            file.writelines("%d %s\n" % item for item in KEYS.items())
        with pitline.Pipeline("--config", config) as pipeline:
            flow = ["--flow", "exchange", "--symbols", "ABC", "--count", 3000]
            load(pipeline, *flow, "--accounts", 2, "--key-file", keys)
            load(pipeline, *flow, "--key", KEYS[1])
            load(pipeline, *flow, "--key", KEYS[2], status=1)
            load(pipeline, *flow, status=1)
            assert "no key for account 3" in load(pipeline, *flow, "--account", 3, "--key-file", keys, status=1)

            def operate(word, account=1, symbol="ABC", status=0):
                return pitline.run(word, "--address", pipeline.socket, "--account", account, "--key-file", keys, symbol,
                                   status=status)

            assert "not_permitted" in operate("halt", account=2, status=1)
            assert "no symbol 'NOPE'" in operate("halt", symbol="NOPE", status=1)
            assert "ABC is halted" in operate("halt")
            output = load(pipeline, *flow, "--key", KEYS[1])
            assert re.search(r"^ +halted +\d+", output, re.M) and figure(output, "accepted") == 0, output
            assert "ABC is open" in operate("resume")
            output = load(pipeline, *flow, "--key", KEYS[1])
            assert figure(output, "accepted") > 0 and "halted" not in output, output


pitline.main(every_request_of_every_flow_is_answered, one_session_in_order_is_refused_nothing,
             a_second_load_does_not_collide_with_the_first, acknowledgements_are_all_written,
             load_says_when_the_pipeline_stops, interrupted_load_waits_for_its_answers, a_pace_is_kept,
             bad_arguments_are_told, itch_file_over_the_wire, keys_are_proved_and_only_operators_halt)
