#!/usr/bin/env python3
"""pitline journal as a user meets it: test_journal_tool.py PITLINE MAKE_JOURNAL (TAP)"""
import decimal
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import journal_file
from journal_file import command, definition
import tap

PITLINE, MAKE_JOURNAL = sys.argv[1:3]
COMMANDS = 70000
EVERY = 16384
KINDS = {1: "new", 2: "cancel", 3: "reduce", 4: "replace", 5: "symbol", 6: "state"}
SEED = int(os.environ.get("PIT_SEED", random.SystemRandom().randrange(1 << 32)))


def tool(*arguments, status=0):
    result = subprocess.run([PITLINE, "journal", *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert result.returncode == status, "%s: exit status %d\n%s%s" % (arguments, result.returncode, result.stdout[-2000:],
                                                                      result.stderr)
    return result.stdout, result.stderr


def cat(*arguments, status=0):
    return [json.loads(line) for line in tool("cat", *arguments, status=status)[0].splitlines()]


def fingerprint(directory):
    return {path.name: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(journal_file.pathlib.Path(directory).iterdir())}


class Copy:
    """A copy of the large journal, to be damaged."""

    def __enter__(self):
        self.place = tempfile.TemporaryDirectory(prefix="pit-journal-")
        self.directory = os.path.join(self.place.name, "copy")
        shutil.copytree(JOURNAL, self.directory)
        return self.directory

    def __exit__(self, *_):
        self.place.cleanup()


def change(path, offset, data=None):
    """Writes data there, or another byte than what stands there."""
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(1)
        file.seek(offset)
        file.write(bytes([old[0] ^ 0x10]) if data is None else data)


def cat_prints_every_field_of_every_command():
    definitions = {}
    printed = cat(JOURNAL)
    count = 0
    for line, (fields, line1) in zip(printed, journal_file.commands(JOURNAL), strict=True):
        count += 1
        for name in ("sequence", "time_ns", "account", "request"):
            assert line[name] == fields[name], (line, fields)
        assert line["symbol_id"] == fields["symbol"] and line["command"] == KINDS[fields["kind"]], (line, fields)
        if fields["kind"] == 5:
            definitions[fields["symbol"]] = line["symbol"]
            assert line["name"] == line1[:16].rstrip(b"\0").decode() == line["symbol"], line
            assert line["tick_size"] == "0.01" and line["orders_max"] == 1 << 16, line
            continue
        assert line.get("symbol") == definitions.get(fields["symbol"]), line
        for printed_name, name in (("order_id", "order_id"), ("client_id", "client_id"), ("ticks", "price")):
            assert line.get(printed_name, 0) == fields[name], (line, fields)
        if fields["kind"] == 6:
            assert line["state"] == ("open", "halted")[fields["quantity"]], line
        else:
            assert line.get("lots", 0) == fields["quantity"], (line, fields)
        assert line.get("side", "buy") == ("buy", "sell")[fields["side"]], line
        assert line.get("tif", "gtc") == ("gtc", "ioc", "fok")[fields["tif"]], line
        assert line.get("market", False) == bool(fields["flags"] & 1), line
        assert line.get("post_only", False) == bool(fields["flags"] & 2), line
        if "symbol" in line and "ticks" in line:
            assert decimal.Decimal(line["price"]) == decimal.Decimal(line["ticks"]) / 100, line
    assert count == COMMANDS


def cat_chooses():
    everything = cat(JOURNAL)
    assert cat(JOURNAL, "--from", 100, "--to", 70000) == everything[99:70000]
    assert cat(JOURNAL, "--to", 1) == everything[:1]
    chosen = cat(JOURNAL, "--symbol", "SYM1", "--account", 3)
    assert chosen == [line for line in everything if line.get("symbol") == "SYM1" and line["account"] == 3] and chosen
    assert [line["command"] for line in cat(JOURNAL, "--account", 0, "--to", 3)] == ["symbol"] * 3
    assert "no symbol 'NOPE'" in tool("cat", JOURNAL, "--symbol", "NOPE")[1]
    assert "ends with sequence %d" % COMMANDS in tool("cat", JOURNAL, "--from", COMMANDS + 1)[1]


def cat_prints_digests_where_they_stand():
    lines = cat(JOURNAL, "--digests")
    digests = [line for line in lines if "digest" in line]
    assert [digest["sequence"] for digest in digests] == [*range(EVERY, COMMANDS, EVERY), COMMANDS], digests
    assert [digest["full"] for digest in digests] == [False] * (len(digests) - 1) + [True], digests
    assert len(lines) == COMMANDS + len(digests) and lines[-1]["orders"] > 0
    seen = 0
    for line in lines:
        assert "command" in line or line["sequence"] <= seen, line
        seen = line["sequence"] if "command" in line else seen
    replayed = subprocess.run([PITLINE, "replay", JOURNAL], capture_output=True, text=True, check=True).stdout
    assert "events-digest %s state-digest %s " % (lines[-1]["digest"], lines[-1]["state"]) in replayed, replayed
    assert lines[-1] in cat(JOURNAL, "--digests", "--to", COMMANDS)


def ls_counts_what_cat_prints():
    everything = cat(JOURNAL)
    *listed, totals = (json.loads(line) for line in tool("ls", "--json", JOURNAL)[0].splitlines())
    assert [segment["segment"] for segment in listed] == [path.name for path in journal_file.segments(JOURNAL)]
    assert [segment["state"] for segment in listed] == ["complete"] * (len(listed) - 1) + ["open"] and len(listed) > 1
    at = 0
    for segment in listed:
        commands = everything[at:at + segment["commands"]]
        at += segment["commands"]
        assert (segment["first_sequence"], segment["last_sequence"]) == (commands[0]["sequence"],
                                                                         commands[-1]["sequence"]), segment
        assert (segment["first_time_ns"], segment["last_time_ns"]) == (commands[0]["time_ns"],
                                                                       commands[-1]["time_ns"]), segment
        of_it = [block for block in journal_file.blocks(JOURNAL) if block.file.name == segment["segment"]]
        assert segment["used"] == of_it[-1].offset + of_it[-1].bytes and segment["blocks"] == len(of_it), segment
        assert segment["bytes"] == journal_file.SEGMENT_BYTES, segment
    assert totals["commands"] == at == COMMANDS and totals["last_sequence"] == COMMANDS, totals
    assert totals["segments"] == len(listed) and totals["damaged"] == 0, totals
    text = tool("ls", JOURNAL)[0].splitlines()
    assert len(text) == len(listed) + 2
    for segment, line in zip(listed, text[1:]):
        words = line.split()
        assert words[0] == segment["segment"] and words[-1] == segment["state"], line
        assert words[1:4] == [str(segment[name]) for name in ("first_sequence", "last_sequence", "commands")], line


def ls_tells_the_states():
    with Copy() as copy:
        open(os.path.join(copy, "next.segment"), "wb").write(bytes(8192))
        begun = "%020d.journal" % (max(block.number for block in journal_file.blocks(copy)) + 1)
        open(os.path.join(copy, begun), "wb").write(b"PTLN" + bytes(8192))
        states = [line.split()[-1] for line in tool("ls", copy)[0].splitlines()[1:-1]]
        assert states == ["complete"] * (len(states) - 3) + ["open", "begun", "prepared"], states
        os.remove(os.path.join(copy, begun))
        change(journal_file.segments(copy)[0], 100)
        output = tool("ls", copy, status=1)[0]
        assert "damaged: the segment header's checksum is wrong" in output and "1 damaged" in output, output
    with Copy() as copy:
        middle = list(journal_file.blocks(copy))[20]
        change(middle.file, middle.offset)
        assert "its blocks end before the next segment's first" in tool("ls", copy, status=1)[0]


def verify_counts_and_changes_nothing():
    before = fingerprint(JOURNAL)
    output, errors = tool("verify", JOURNAL)
    assert output.endswith("sound commands %d torn-bytes 0\n" % COMMANDS) and errors == "", output + errors
    counts = dict(re.findall(r"(\w+) (\d+)[,\n]", output))
    assert sum(int(counts[kind]) for kind in KINDS.values()) == COMMANDS, output
    assert "%d blocks in %d segments" % (len(list(journal_file.blocks(JOURNAL))),
                                         len(journal_file.segments(JOURNAL))) in output, output
    assert "digests   %d, the last of sequence %d" % (COMMANDS // EVERY + 1, COMMANDS) in output, output
    assert tool("verify", "--quiet", JOURNAL) == ("", "")
    for arguments in (["ls", JOURNAL], ["cat", JOURNAL], ["diff", JOURNAL, JOURNAL]):
        tool(*arguments)
    assert fingerprint(JOURNAL) == before, "the directory was changed"


def any_changed_byte_is_found_and_placed():
    print("# PIT_SEED=%d" % SEED)
    chance = random.Random(SEED)
    with Copy() as copy:
        everything = list(journal_file.blocks(copy))
        for block in chance.sample(everything[:-1], 4):
            at = chance.randrange(block.bytes)
            with open(block.file, "rb") as file:
                file.seek(block.offset + at)
                old = file.read(1)
            change(block.file, block.offset + at)
            output, errors = tool("verify", copy, status=1)
            before = block.first_sequence - 1
            assert "%s, offset %d:" % (block.file, block.offset) in errors, (block, at, errors)
            assert "after sequence %d:" % before in errors, (block, at, errors)
            assert output.endswith("damaged commands %d\n" % before), (block, at, output)
            printed = cat(copy, status=1)
            assert len(printed) == before and (not printed or printed[-1]["sequence"] == before), (block, at)
            errors = tool("diff", JOURNAL, copy, status=2)[1]
            assert "equal up to sequence %d, where %s can no longer be read" % (before, copy) in errors, errors
            if before:
                assert len(cat(copy, "--to", before)) == before
            change(block.file, block.offset + at, old)
        tool("verify", copy)


def missing_segments_are_damage():
    with Copy() as copy:
        first, *others = journal_file.segments(copy)
        os.remove(first)
        errors = tool("verify", copy, status=1)[1]
        assert first.name in errors, errors
        assert cat(copy, status=1) == []


def torn_tail_is_no_damage():
    with Copy() as copy:
        last = list(journal_file.blocks(copy))[-1]
        data = open(last.file, "rb").read()
        end = last.offset + last.bytes
        writer = journal_file.Writer(os.path.join(copy, "scratch"))
        writer.number, writer.sequence = last.number + 1, COMMANDS + 1
        writer.journal_id = data[16:32]
        writer.previous = journal_file.HEADER.unpack_from(data, last.offset)[1]
        block = writer.seal([command(1, quantity=1)] * 150)
        assert len(block) > 8192
        change(last.file, end, block[:4096])  # the first page of the next block has reached the disk, the others not
        before = fingerprint_files(copy)
        output, errors = tool("verify", copy)
        assert re.search(r"sound commands %d torn-bytes [1-9]" % COMMANDS, output) and errors == "", output + errors
        assert "%s, offset %d" % (last.file.name, end) in output, output
        everything, errors = tool("cat", copy)
        assert everything.count("\n") == COMMANDS and "unfinished write" in errors, errors
        totals = json.loads(tool("ls", "--json", copy)[0].splitlines()[-1])
        assert totals["commands"] == COMMANDS and totals["damaged"] == 0, totals
        assert tool("diff", copy, JOURNAL)[0] == "equal commands %d\n" % COMMANDS
        assert fingerprint_files(copy) == before, "the torn tail was touched"


def fingerprint_files(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in journal_file.segments(directory)}


ORDERS = [command(5, definition(b"ABC", tick=(25, 3), lot=(1, 8))), command(1, symbol=0, account=7, price=-3, quantity=5),
          command(2, symbol=0, account=7, order_id=2), command(6, symbol=0, quantity=1)]


def diff_shows_the_first_difference_field_by_field():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        paths = [os.path.join(place, name) for name in ("a", "b", "c")]
        journal_file.Writer(paths[0]).write(*ORDERS).write(*ORDERS[1:])
        journal_file.Writer(paths[1], b"another journal!").write(ORDERS[0]).write(*ORDERS[1:], *ORDERS[1:])
        assert tool("diff", *paths[:2])[0] == "equal commands 7\n", "blocks and ids do not matter"
        other = command(1, symbol=0, account=8, price=-2, quantity=5, client_id=9)
        journal_file.Writer(paths[2]).write(*ORDERS).write(other, *ORDERS[2:])
        output = tool("diff", paths[0], paths[2], status=1)[0]
        assert output.startswith("differ sequence 5\n"), output
        marked = {line.split()[1]: line.split()[2:] for line in output.splitlines() if line.startswith("! ")}
        assert marked == {"account": ["7", "8"], "price": ["-0.075", "-0.050"], "ticks": ["-3", "-2"],
                          "client_id": ["0", "9"]}, output
        assert re.search(r"^  quantity +0.00000005 +0.00000005$", output, re.M), output
        last = list(journal_file.blocks(paths[2]))[-1]
        journal_file.Writer(os.path.join(place, "d")).write(*ORDERS).write(other).write(*ORDERS[1:])
        later = list(journal_file.blocks(os.path.join(place, "d")))[2]
        change(later.file, later.offset + 10)
        tool("diff", paths[0], os.path.join(place, "d"), status=1)


def diff_of_fields_that_a_kind_does_not_use():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        first = os.path.join(place, "first")
        journal_file.Writer(first).write(command(2, account=1))
        hidden = [dict(price=1), dict(quantity=1 << 63), dict(side=1), dict(side=9), dict(tif=2), dict(tif=77),
                  dict(flags=1), dict(flags=2), dict(flags=4), dict(client_id=3), dict(order_id=3), dict(request=4)]
        for number, fields in enumerate(hidden):
            second = os.path.join(place, "second%d" % number)
            journal_file.Writer(second).write(command(2, **{"account": 1, **fields}))
            output = tool("diff", first, second, status=1)[0]
            assert output.startswith("differ sequence 1\n") and "\n! " in output, (fields, output)
        wide = [definition(b"A"), definition(b"B"), definition(b"A\0B"), definition(b"A")[:-1] + b"x"]
        for number, line1 in enumerate(wide):
            for kind in (1, 5):
                journal_file.Writer(os.path.join(place, "wide%d-%d" % (kind, number))).write(command(kind, line1))
        for kind in (1, 5):
            for number in range(1, len(wide)):
                output = tool("diff", os.path.join(place, "wide%d-0" % kind), os.path.join(place, "wide%d-%d" % (
                    kind, number)), status=1)[0]
                assert "\n! " in output, (kind, number, output)


def diff_ignores_times_when_told():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        paths = [os.path.join(place, name) for name in ("a", "b", "c")]
        later = [(dict(fields, time_ns=5000000000), line1) for fields, line1 in ORDERS]
        journal_file.Writer(paths[0]).write(*ORDERS)
        journal_file.Writer(paths[1]).write(*later)
        journal_file.Writer(paths[2]).write(*later[:3], command(6, symbol=0, quantity=0, time_ns=5))
        output = tool("diff", *paths[:2], status=1)[0]
        assert output.startswith("differ sequence 1\n") and output.count("\n! ") == 1 and "! time_ns" in output, output
        assert tool("diff", "--ignore-time", *paths[:2])[0] == "equal commands 4\n"
        output = tool("diff", "--ignore-time", paths[0], paths[2], status=1)[0]
        assert output.startswith("differ sequence 4\n") and output.count("\n! ") == 1 and "! state" in output, output


def diff_tells_a_prefix_apart():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        short, long = os.path.join(place, "short"), os.path.join(place, "long")
        journal_file.Writer(short).write(*ORDERS)
        journal_file.Writer(long).write(*ORDERS).write(ORDERS[1])
        assert tool("diff", short, long, status=1)[0].startswith("prefix A commands 4\n")
        assert tool("diff", long, short, status=1)[0].startswith("prefix B commands 4\n")


def anything_can_stand_in_a_command():
    strange = [command(0, account=1), command(200, price=-(1 << 63), quantity=(1 << 64) - 1, side=200, tif=99, flags=0x7f),
               command(5, definition(b"\x1b[2J\xff\"\\"), symbol=1), command(5, definition(b"x" * 16), symbol=2),
               command(5, definition(b"T", tick=(1, 200)), symbol=3), command(5, symbol=1),
               command(1, bytes(range(64)), symbol=0xffffffff), command(6, symbol=1, quantity=7),
               command(1, symbol=3, flags=1, price=4), command(5, definition(b"T", tick=(5, 0)), symbol=3),
               command(5, definition(b"T", tick=(7, 3)), symbol=3), command(1, symbol=3, price=-4, quantity=1 << 63)]
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        directory = os.path.join(place, "strange")
        journal_file.Writer(directory).write(*strange).write()
        lines = cat(directory)
        assert len(lines) == len(strange)
        assert lines[0]["command"] == 0 and lines[1]["command"] == 200 and lines[1]["flags"] == 0x7f, lines[:2]
        assert (lines[1]["ticks"], lines[1]["lots"]) == (-(1 << 63), (1 << 64) - 1), lines[1]
        assert (lines[1]["side"], lines[1]["tif"]) == (200, 99), lines[1]
        assert lines[2]["name_bytes"] == definition(b"\x1b[2J\xff\"\\")[:16].hex(), lines[2]
        assert lines[3]["name"] == "x" * 16 and "symbol" not in lines[3], lines[3]
        assert "tick_size" not in lines[4] and lines[4]["tick_decimals"] == 200, lines[4]
        assert lines[6]["line1"] == bytes(range(64)).hex() and lines[7]["state"] == 7, lines[6:8]
        assert "symbol" not in lines[8] and lines[8]["market"] is True and lines[8]["ticks"] == 4, lines[8]
        assert lines[9]["symbol"] == "T" and lines[11]["price"] == "-20", "the first valid definition holds"
        assert lines[11]["lots"] == 1 << 63 and "quantity" not in lines[11], lines[11]
        assert "unknown 2" in tool("verify", directory)[0]
        assert json.loads(tool("ls", "--json", directory)[0].splitlines()[0])["blocks"] == 2


def reader_that_goes_away_ends_it_quietly():
    for arguments in (["cat", JOURNAL], ["cat", JOURNAL, "--digests"]):
        process = subprocess.Popen([PITLINE, "journal", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == 0 and errors == b"", (process.returncode, errors)
        process.stderr.close()
    for arguments in (["cat", JOURNAL], ["ls", JOURNAL], ["verify", JOURNAL], ["diff", JOURNAL, JOURNAL]):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PITLINE, "journal", *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
        assert result.returncode == (2 if arguments[0] == "diff" else 1), (arguments, result.returncode)
        assert "cannot write: No space left on device" in result.stderr, result.stderr


def mistakes_are_told():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        missing = os.path.join(place, "missing")
        for directory in (missing, place):
            for what, status in (("ls", 1), ("cat", 1), ("verify", 2)):
                assert directory in tool(what, directory, status=status)[1]
            assert directory in tool("diff", JOURNAL, directory, status=2)[1]
            assert directory in tool("diff", directory, JOURNAL, status=2)[1]
        assert not os.path.exists(missing) and os.listdir(place) == []
    for arguments in ([], ["nosuch"], ["ls"], ["cat"], ["verify"], ["diff"], ["diff", "a"], ["diff", "a", "b", "c"],
                      ["ls", "a", "b"], ["cat", "a", "b"], ["verify", "a", "b"], ["cat", JOURNAL, "--from", "0"],
                      ["cat", JOURNAL, "--to", "x"], ["cat", JOURNAL, "--from", "9", "--to", "8"],
                      ["cat", JOURNAL, "--account", "-1"], ["cat", JOURNAL, "--account", str(1 << 32)],
                      ["ls", JOURNAL, "--nope"]):
        tool(*arguments, status=2)


def journal_being_written_can_be_looked_at():
    with tempfile.TemporaryDirectory(prefix="pit-journal-") as place:
        directory = os.path.join(place, "journal")
        writer = subprocess.Popen([MAKE_JOURNAL, place, "200000"])
        rounds = seen = 0
        while writer.poll() is None:
            if not os.path.isdir(directory) or not journal_file.segments(directory):
                continue  # it has not begun
            commands = int(re.search(r"sound commands (\d+)", tool("verify", directory)[0])[1])
            totals = json.loads(tool("ls", "--json", directory)[0].splitlines()[-1])
            assert totals["damaged"] == 0 and totals["commands"] >= commands >= seen, (totals, commands, seen)
            lines = tool("cat", directory, "--from", max(1, totals["commands"]))[0].splitlines()
            assert not totals["commands"] or json.loads(lines[0])["sequence"] == totals["commands"], (totals, lines[:1])
            seen = totals["commands"]
            rounds += 1
        assert writer.returncode == 0 and rounds > 0
        tool("diff", directory, JOURNAL, status=1)
        print("# %d rounds while it was written, the last of %d commands" % (rounds, seen))


with tempfile.TemporaryDirectory(prefix="pit-journal-") as where:
    subprocess.run([MAKE_JOURNAL, where, str(COMMANDS)], check=True)
    JOURNAL = os.path.join(where, "journal")
    tests = (cat_prints_every_field_of_every_command, cat_chooses, cat_prints_digests_where_they_stand,
             ls_counts_what_cat_prints, ls_tells_the_states, verify_counts_and_changes_nothing,
             any_changed_byte_is_found_and_placed, missing_segments_are_damage, torn_tail_is_no_damage,
             diff_shows_the_first_difference_field_by_field, diff_of_fields_that_a_kind_does_not_use,
             diff_ignores_times_when_told, diff_tells_a_prefix_apart, anything_can_stand_in_a_command,
             reader_that_goes_away_ends_it_quietly, mistakes_are_told, journal_being_written_can_be_looked_at)
    tap.main(*tests)
