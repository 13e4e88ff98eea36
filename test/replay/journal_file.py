"""Journals in Python, written and read by docs/journal-format.md alone: what pitline says of them is checked by this."""
import collections
import os
import pathlib
import struct

SEGMENT_BYTES = 4 << 20
PAGE = 4096
HEADER = struct.Struct("<4sIIIQQIIQ16x")
COMMAND = struct.Struct("<QQQQqQIIIBBBB")
RECORD = struct.Struct("<IIIIQQQ24x")
FIELDS = ("sequence", "time_ns", "order_id", "client_id", "price", "quantity", "account", "symbol", "request", "kind",
          "side", "tif", "flags")
WIDE = 128

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


Block = collections.namedtuple("Block", "file offset bytes number first_sequence commands")


def segments(directory):
    return sorted(path for path in pathlib.Path(directory).iterdir() if path.name.endswith(".journal"))


def blocks(directory):
    """Every block, by the headers alone."""
    for path in segments(directory):
        data = path.read_bytes()
        at = PAGE
        while at < len(data):
            magic, _, _, length, number, first, count, _, _ = HEADER.unpack_from(data, at)
            if magic != b"PBLK":
                break
            yield Block(path, at, length, number, first, count)
            at += length


def commands(directory):
    """Every command as (its fields by name, its second line)."""
    for block in blocks(directory):
        with open(block.file, "rb") as file:
            file.seek(block.offset)
            data = file.read(block.bytes)
        used = HEADER.unpack_from(data)[7]
        record = 64
        while record < used:
            kind, payload = RECORD.unpack_from(data, record)[:2]
            at = record + 64
            while kind == 1 and at < record + 64 + payload:
                command = dict(zip(FIELDS, COMMAND.unpack_from(data, at)))
                wide = bool(command["flags"] & WIDE)
                yield command, data[at + 64:at + 128] if wide else None
                at += 128 if wide else 64
            record += 64 + (payload + 63) // 64 * 64


def definition(name, tick=(1, 2), lot=(1, 0), price_min=1, price_max=1000000, quantity_max=1 << 40):
    """The second line of a symbol command. tick, lot: mantissa and decimals."""
    return struct.pack("<16sqqQIIIIBB6x", name, price_min, price_max, quantity_max, 1000, 1000, tick[0], lot[0], tick[1],
                       lot[1])


def command(kind, line1=None, **fields):
    flags = fields.pop("flags", 0) | (WIDE if line1 else 0)
    return dict(dict.fromkeys(FIELDS, 0), kind=kind, flags=flags, **fields), line1


class Writer:
    """Writes the commands it is given: sequences and, where there is none, times are filled in."""

    def __init__(self, directory, journal_id=b"sixteen bytes id"):
        os.makedirs(directory)
        self.directory, self.journal_id = directory, journal_id
        self.number, self.sequence, self.previous = 1, 1, 0
        self.begin_segment()

    def begin_segment(self):
        page = bytearray(PAGE)
        struct.pack_into("<8sII16sQQQQI", page, 0, b"PTLNSEG1", 1, 0, self.journal_id, SEGMENT_BYTES, self.number,
                         self.sequence, 0, self.previous)
        struct.pack_into("<I", page, 12, crc32c(page))
        self.path = os.path.join(self.directory, "%020d.journal" % self.number)
        with open(self.path, "wb") as file:
            file.write(page)
            file.truncate(SEGMENT_BYTES)
        self.at = PAGE

    def seal(self, block_commands):
        """The bytes of the next block, without writing it."""
        payload = b""
        first = self.sequence
        for fields, line1 in block_commands:
            fields = dict(fields, sequence=self.sequence, time_ns=fields["time_ns"] or 1000 * self.sequence)
            payload += COMMAND.pack(*(fields[name] for name in FIELDS)) + (line1 or b"")
            self.sequence += 1
        count = self.sequence - first
        record = RECORD.pack(1, len(payload), count, 0, first, 0, 0) + payload if count else b""
        used = 64 + len(record)
        length = (used + PAGE - 1) // PAGE * PAGE
        block = bytearray(length)
        HEADER.pack_into(block, 0, b"PBLK", 0, self.previous, length, self.number, first, count, used,
                         int.from_bytes(self.journal_id[:8], "little"))
        block[64:used] = record
        struct.pack_into("<I", block, 4, crc32c(block))
        return block

    def write(self, *block_commands):
        block = self.seal(block_commands)
        with open(self.path, "r+b") as file:
            file.seek(self.at)
            file.write(block)
        self.at += len(block)
        self.number += 1
        self.previous = struct.unpack_from("<I", block, 4)[0]
        return self
