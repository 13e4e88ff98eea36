#!/usr/bin/env python3
"""The client of client.py, and clients that misbehave."""
import os
import shutil
import socket
import struct
import tempfile
import time

import pitline
from client import *


def orders_of_a_python_client_trade():
    with pitline.Pipeline("--threads", "shared", symbols=["ABC"]) as pipeline:
        maker, taker = Client(pipeline.socket, 1), Client(pipeline.socket, 2)
        abc = maker.symbols["ABC"]
        maker.send(NEW, 1, abc, 71, SELL, GTC, 0, 1000, 50)
        accepted = maker.until(ACCEPTED)
        assert accepted[REQUEST] == 1 and accepted[CLIENT_ID] == 71 and accepted[FLAGS] == RESTS | LAST, accepted
        order = accepted[ORDER]
        assert order == accepted[SEQUENCE]

        taker.send(NEW, 1, abc, 5, BUY, IOC, 0, 1001, 60)
        assert taker.until(ACCEPTED)[FLAGS] == 0
        bought = taker.until(TRADE)
        assert bought[OWN:] == [0, 1, BUY, 1000, 50, 10], bought
        remainder = taker.until(CANCELLED)
        assert remainder[OWN + 1] == 2 and remainder[-1] == 10 and remainder[FLAGS] & LAST, remainder
        sold = maker.until(TRADE)
        assert sold[REQUEST] == 0 and sold[ORDER] == order and sold[OWN:] == [0, 0, SELL, 1000, 50, 0], sold
        assert sold[SEQUENCE] == bought[SEQUENCE]

        maker.send(NEW, 2, abc, 72, BUY, GTC, 2, 900, 40)
        order = maker.until(ACCEPTED)[ORDER]
        taker.send(CANCEL, 2, abc, order, 0)
        refused = taker.until(REJECTED)
        assert refused[OWN:] == [CANCEL, 11], "somebody else's order was cancelled: %r" % refused
        maker.send(REPLACE, 3, abc, 0, 72, 0, 900, 30)
        replaced = maker.until(REPLACED)
        assert replaced[FLAGS] == RESTS | LAST | KEPT and replaced[OWN:] == [BUY, 900, 30, 900, 40], replaced
        maker.send(REDUCE, 4, abc, order, 0, 10)
        assert maker.until(REDUCED)[OWN:] == [BUY, 900, 20, 30]
        maker.send(CANCEL, 5, abc, order, 0)
        assert maker.until(CANCELLED)[OWN:] == [BUY, 1, 900, 20]
        taker.send(NEW, 3, abc, 6, SELL, GTC, 1, 0, 1)
        assert taker.until(REJECTED)[OWN] == NEW  # a market order cannot rest
        taker.send(NEW, 4, abc, 7, SELL, FOK, 0, 1, 1)
        taker.until(ACCEPTED)
        assert taker.until(CANCELLED)[OWN + 1] == 3
        maker.send(HEARTBEAT, 99)
        assert maker.until(HEARTBEAT)[1] == 99
        maker.send(STATE, 6, abc, 1)
        assert maker.until(REJECTED)[OWN:] == [STATE, 42]  # not an operator
        maker.send(LOGOUT)
        assert maker.until(BYE) and maker.receive() is None
        status, output = pipeline.stop()
        assert status == 0, output
        pitline.run("replay", pipeline.data, "--verify")


def keys_are_needed_where_they_are_configured():
    directory = tempfile.mkdtemp(prefix="pitline-keys-")
    key = bytes(range(32))
    config = os.path.join(directory, "pitline.yaml")
    with open(config, "w") as file:
        file.write("symbols: [{name: ABC}]\naccounts:\n  - {account: 7, key: %s, operates: true}\n" % key.hex())
    with pitline.Pipeline("-c", config, directory=directory, symbols=[]) as pipeline:
        for account, wrong in ((7, b"x" * 32), (8, key)):
            try:
                Client(pipeline.socket, account, wrong)
                raise RuntimeError("account %d was let in with a wrong key" % account)
            except AssertionError as error:
                assert str(BYE) in str(error), error
        client = Client(pipeline.socket, 7, key)
        abc = client.symbols["ABC"]
        client.send(STATE, 1, abc, 1)
        assert client.until(STATE_CHANGED)[OWN] == 1
        client.send(NEW, 2, abc, 1, BUY, GTC, 0, 10, 10)
        assert client.until(REJECTED)[OWN:] == [NEW, 21]
        out = pitline.run("resume", "ABC", "--address", pipeline.socket, "--account", "7", "--key", key.hex())
        assert "ABC" in out
    import shutil
    shutil.rmtree(directory)


def bad_clients_cost_only_themselves():
    with pitline.Pipeline("--threads", "shared", symbols=["ABC"]) as pipeline:
        good = Client(pipeline.socket, 1)
        abc = good.symbols["ABC"]
        request = 0

        def still_served():
            nonlocal request
            request += 1
            good.send(NEW, request, abc, request, BUY, GTC, 0, 10, 1)
            assert good.until(ACCEPTED)[REQUEST] == request

        still_served()
        for garbage in (b"\xff" * 64, b"\x00\x00\x00\x00", struct.pack(">I", 1 << 30) + b"x" * 100,
                        frame([NEW]), frame([99]), struct.pack(">I", 5) + b"\xdd\xff\xff\xff\xff",
                        struct.pack(">I", 6) + b"\x91\xdf\xff\xff\xff\xff"):
            for account in (None, 3):
                bad = Client(pipeline.socket, account)
                bad.socket.sendall(garbage)
                while True:
                    message = bad.receive()
                    if message is None or message[0] == BYE:
                        break
                bad.socket.close()
                still_served()
        # Half a frame, then silence; and half a connection, whose orders still count.
        slow = Client(pipeline.socket, 4)
        slow.socket.sendall(b"\x00\x00")
        still_served()
        half = Client(pipeline.socket, 5)
        half.send(NEW, 1, abc, 1, BUY, GTC, 0, 11, 1)
        half.socket.shutdown(socket.SHUT_WR)
        assert half.until(ACCEPTED)[REQUEST] == 1
        assert half.receive() is None or half.receive() is None
        # One that sends and never reads: it is cut off, the others are served all the while.
        deaf = Client(pipeline.socket, 6)
        deaf.socket.setblocking(False)
        orders = b"".join(frame([NEW, n, abc, n, BUY, IOC, 0, 1, 1]) for n in range(1, 2000))
        deadline = time.monotonic() + 60
        cut = False
        while not cut and time.monotonic() < deadline:
            try:
                deaf.socket.send(orders)
            except BlockingIOError:
                break  # the gateway does not read it either any more: that bounds it as well
            except OSError:
                cut = True
        still_served()
        status, output = pipeline.stop()
        assert status == 0, output
        pitline.run("replay", pipeline.data, "--verify")


def a_client_that_does_not_read_the_symbols_gives_its_place_back():
    directory = tempfile.mkdtemp(prefix="pitline-welcome-")
    config = os.path.join(directory, "pitline.yaml")
    with open(config, "w") as file:
        file.write("limits: {sessions: 1, logon_ms: 300, close_ms: 100, outbox_bytes: 65536, requests: 512}\nsymbols:\n")
        file.writelines("  - {name: S%d, orders_max: 1, levels_max: 1}\n" % number for number in range(9000))
    with pitline.Pipeline("-c", config, directory=directory, symbols=[]) as pipeline:
        deaf = Client(pipeline.socket)
        assert deaf.receive()[0] == CHALLENGE
        deaf.send(LOGON, 1, 1, "python")
        for _ in range(500):
            time.sleep(0.02)
            client = Client(pipeline.socket)
            if client.receive()[0] == CHALLENGE:
                break
            client.socket.close()
        else:
            raise AssertionError("the place was never free again")
        deaf.socket.close()
        client.socket.close()
        assert pipeline.stop()[0] == 0
    shutil.rmtree(directory)


if __name__ == "__main__":
    pitline.main(orders_of_a_python_client_trade, keys_are_needed_where_they_are_configured,
                 bad_clients_cost_only_themselves, a_client_that_does_not_read_the_symbols_gives_its_place_back)
