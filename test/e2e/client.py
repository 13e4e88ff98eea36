"""A client written from docs/wire.md alone, in another language."""
import hashlib
import hmac
import socket
import struct

LOGON, PROOF, NEW, CANCEL, REDUCE, REPLACE, STATE, HEARTBEAT, LOGOUT, RESUME = range(1, 11)
(CHALLENGE, WELCOME, SYMBOL, ACCEPTED, REJECTED, TRADE, RESTED, CANCELLED, REDUCED, REPLACED, STATE_CHANGED,
 BYE, RESUMED, RESULT) = range(32, 46)
BUY, SELL = 0, 1
GTC, IOC, FOK = 0, 1, 2


def pack(value):
    """The msgpack of an integer, string, binary or list of them."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return struct.pack("B", value)
        if value >= 0:
            return b"\xcf" + struct.pack(">Q", value)
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xd9" + struct.pack("B", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc4" + struct.pack("B", len(value)) + value
    return struct.pack("B", 0x90 | len(value)) + b"".join(map(pack, value)) if len(value) < 16 else \
        b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))


def unpack(data):
    """The flat list in one message."""
    at = 0

    def take(count):
        nonlocal at
        at += count
        return data[at - count:at]

    first = take(1)[0]
    count = first & 15 if first >> 4 == 9 else struct.unpack(">H", take(2))[0]
    values = []
    for _ in range(count):
        code = take(1)[0]
        if code < 0x80:
            values.append(code)
        elif code >= 0xe0:
            values.append(code - 256)
        elif code in (0xc2, 0xc3):
            values.append(code == 0xc3)
        elif code in (0xcc, 0xcd, 0xce, 0xcf):
            values.append(int.from_bytes(take(1 << (code - 0xcc)), "big"))
        elif code in (0xd0, 0xd1, 0xd2, 0xd3):
            values.append(int.from_bytes(take(1 << (code - 0xd0)), "big", signed=True))
        elif code >> 5 == 5:
            values.append(take(code & 31).decode())
        elif code == 0xd9:
            values.append(take(take(1)[0]).decode())
        elif code == 0xc4:
            values.append(take(take(1)[0]))
        else:
            raise AssertionError("unexpected msgpack byte %#x" % code)
    assert at == len(data)
    return values


def frame(message):
    body = pack(message)
    return struct.pack(">I", len(body)) + body


class Client:
    def __init__(self, path, account=None, key=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path.split(":", 1)[1])
        self.buffer = b""
        self.symbols = {}
        if account is not None:
            self.logon(account, key)

    def send(self, *message):
        self.socket.sendall(frame(message))

    def receive(self):
        """The next message, or None at the end of the stream."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack(">I", self.buffer[:4])[0]:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        length = struct.unpack(">I", self.buffer[:4])[0]
        message, self.buffer = self.buffer[4:4 + length], self.buffer[4 + length:]
        return unpack(message)

    def logon(self, account, key=None):
        challenge = self.receive()
        assert challenge[0] == CHALLENGE, challenge
        nonce = next(field for field in challenge if isinstance(field, bytes))
        self.send(LOGON, 1, account, "python")
        if key is not None:
            self.send(PROOF, hmac.new(key, nonce + struct.pack(">I", account), hashlib.sha256).digest())
        welcome = self.receive()
        assert welcome[0] == WELCOME, welcome
        for _ in range(welcome[2]):
            symbol = self.receive()
            assert symbol[0] == SYMBOL
            self.symbols[symbol[2]] = symbol[1]

    def until(self, kind):
        while True:
            message = self.receive()
            assert message is not None, "the server closed"
            if message[0] == kind:
                return message


# Every report: kind, request, sequence, time, symbol, order id, client id, flags, then its own fields.
REQUEST, SEQUENCE, ORDER, CLIENT_ID, FLAGS, OWN = 1, 2, 5, 6, 7, 8
RESTS, LAST, KEPT = 1, 2, 4
