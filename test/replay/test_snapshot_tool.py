#!/usr/bin/env python3
"""pitline snapshot and replay --from-snapshot: test_snapshot_tool.py PITLINE MAKE_JOURNAL (TAP)"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

PITLINE, MAKE_JOURNAL = sys.argv[1:3]
COMMANDS = 50000
EVERY = 16384


def tool(name, *arguments, status=0):
    result = subprocess.run([PITLINE, name, *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert result.returncode == status, "exit status %d\n%s%s" % (result.returncode, result.stdout, result.stderr)
    return result.stdout, result.stderr


def digests(output):
    found = re.search(r"^events-digest ([0-9a-f]{16}) state-digest ([0-9a-f]{16}) commands (\d+)$", output, re.M)
    assert found, output
    return found.groups()


def name_of(sequence):
    return "snapshot-%020d.pit" % sequence


def snapshots(journal):
    return sorted(name for name in os.listdir(journal) if name.endswith(".pit"))


class Journal:
    """A copy of the journal that may be spoiled."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="pit-snapshot-")
        path = os.path.join(self.directory, "journal")
        shutil.copytree(ORIGINAL, path)
        return path

    def __exit__(self, *_):
        shutil.rmtree(self.directory)


def segment(journal):
    return os.path.join(journal, "%020d.journal" % 1)


def replay_from_every_snapshot_gives_the_same():
    with Journal() as journal:
        before = open(segment(journal), "rb").read()
        wanted = digests(tool("replay", journal)[0])
        for at in (1, 5, 16000, EVERY, EVERY + 1, 30000, COMMANDS):
            told = json.loads(tool("snapshot", journal, "--at", at, "--json")[0])
            assert told["sequence"] == at and told["written"] and told["file"] == name_of(at), told
            assert os.path.getsize(os.path.join(journal, name_of(at))) == told["bytes"]
            for arguments in (["--from-snapshot"], ["--from-snapshot=%d" % at]):
                output, errors = tool("replay", journal, *arguments, "--verify")
                assert digests(output) == wanted, output
                assert "snapshot  of sequence %d, %d resting" % (at, told["orders"]) in output, output
                assert errors == "", errors
                compared = sum(n >= at for n in [*range(EVERY, COMMANDS, EVERY), COMMANDS])
                assert int(re.search(r"^verified +(\d+)", output, re.M)[1]) == compared, output
        assert open(segment(journal), "rb").read() == before, "the journal was changed"


def until_uses_a_snapshot_before_it():
    with Journal() as journal:
        for at in (10000, 20000, 30000):
            tool("snapshot", journal, "--at", at)
        for until in (9999, 10000, 25000, 30001):
            output, _ = tool("replay", journal, "--from-snapshot", "--until", until)
            assert digests(output) == digests(tool("replay", journal, "--until", until)[0])
            used = max([at for at in (10000, 20000, 30000) if at <= until], default=None)
            assert ("of sequence %d," % used in output) if used else "snapshot" not in output, output
        assert "later than" in tool("replay", journal, "--from-snapshot=20000", "--until", 15000, status=1)[1]
        books = [tool("replay", journal, "--until", 26000, "--book", "SYM1", *extra)[0].split("\nSYM1")[1]
                 for extra in ([], ["--from-snapshot"])]
        assert books[0].split("events-digest")[0] == books[1].split("events-digest")[0]


def events_after_a_snapshot_are_those_of_the_whole():
    with Journal() as journal:
        tool("snapshot", journal, "--at", 40000)
        whole = [json.loads(line) for line in tool("replay", journal, "--events", "-")[0].splitlines()]
        tail = [json.loads(line) for line in tool("replay", journal, "--events", "-", "--from-snapshot")[0].splitlines()]
        assert tail and tail == [event for event in whole if event["sequence"] > 40000]


def bad_snapshot_is_passed_over_for_the_older_one():
    with Journal() as journal:
        wanted = digests(tool("replay", journal)[0])
        for at in (10000, 20000, 30000):
            tool("snapshot", journal, "--at", at)
        with open(os.path.join(journal, name_of(30000)), "r+b") as file:
            file.seek(700)
            byte = file.read(1)
            file.seek(700)
            file.write(bytes([byte[0] ^ 1]))
        output, errors = tool("replay", journal, "--from-snapshot", "--verify")
        assert digests(output) == wanted and "of sequence 20000," in output, output
        assert "warning" in errors and name_of(30000) in errors and errors.count("warning") == 1, errors
        assert name_of(30000) in tool("replay", journal, "--from-snapshot=30000", status=1)[1]
        os.truncate(os.path.join(journal, name_of(20000)), 1000)
        os.truncate(os.path.join(journal, name_of(10000)), 0)
        output, errors = tool("replay", journal, "--from-snapshot", "--verify")
        assert digests(output) == wanted and "snapshot" not in output, output
        assert errors.count("warning") == 3, errors


def snapshot_of_another_journal_is_passed_over():
    with Journal() as journal, tempfile.TemporaryDirectory(prefix="pit-snapshot-") as directory:
        subprocess.run([MAKE_JOURNAL, directory, "3000"], check=True)
        other = os.path.join(directory, "journal")
        tool("snapshot", other)
        shutil.copy(os.path.join(other, name_of(3000)), journal)
        output, errors = tool("replay", journal, "--from-snapshot")
        assert "another journal" in errors and "snapshot" not in output, (output, errors)
        assert "another journal" in tool("replay", journal, "--from-snapshot=3000", status=1)[1]


def snapshot_ahead_of_the_journal_is_passed_over():
    with Journal() as journal:
        tool("snapshot", journal, "--at", 5000)
        tool("snapshot", journal)
        data = open(segment(journal), "rb").read()
        end = len(data.rstrip(b"\0")) * 2 // 3 // 4096 * 4096  # the last writes were never made
        with open(segment(journal), "wb") as file:
            file.write(data[:end] + bytes(len(data) - end))
        output, errors = tool("replay", journal, "--from-snapshot", "--verify")
        last = int(digests(output)[2])
        assert 5000 < last < COMMANDS and "of sequence 5000," in output, output
        assert "ends at sequence %d" % last in errors, errors
        assert digests(output) == digests(tool("replay", journal)[0])
        assert "ends at sequence" in tool("replay", journal, "--from-snapshot=%d" % COMMANDS, status=1)[1]


def only_the_newest_are_kept_if_asked():
    with Journal() as journal:
        for at in (1000, 2000, 3000, 4000):
            tool("snapshot", journal, "--at", at)
        told = json.loads(tool("snapshot", journal, "--at", 5000, "--keep", 2, "--json")[0])
        assert told["removed"] == 3 and told["from"] == 4000 and told["commands"] == 1000, told
        assert snapshots(journal) == [name_of(4000), name_of(5000)]
        told = json.loads(tool("snapshot", journal, "--at", 5000, "--keep", 1, "--json")[0])
        assert not told["written"] and told["removed"] == 1, told
        assert snapshots(journal) == [name_of(5000)]


def state_that_is_not_the_live_one_is_not_written():
    with tempfile.TemporaryDirectory(prefix="pit-snapshot-") as directory:
        subprocess.run([MAKE_JOURNAL, directory, "40000", str(EVERY)], check=True)
        journal = os.path.join(directory, "journal")
        assert "the digest at sequence %d differs" % EVERY in tool("snapshot", journal, status=1)[1]
        assert snapshots(journal) == []


def mistakes_are_told():
    with Journal() as journal:
        assert "ends at sequence %d" % COMMANDS in tool("snapshot", journal, "--at", COMMANDS + 1, status=1)[1]
        assert snapshots(journal) == []
        for wrong in (["--at", "0"], ["--at", "x"], ["--keep", "0"], ["--keep", "-1"], ["--nonsense"], [journal]):
            tool("snapshot", journal, *wrong, status=2)
        tool("snapshot", status=2)
        tool("replay", journal, "--from-snapshot=x", status=2)
        tool("replay", journal, "--from-snapshot=0", status=2)
        assert name_of(77) in tool("replay", journal, "--from-snapshot=77", status=1)[1]
        missing = os.path.join(journal, "missing")
        assert missing in tool("snapshot", missing, status=1)[1]
        os.remove(segment(journal))
        assert journal in tool("snapshot", journal, status=1)[1]


def journal_being_written_is_snapshotted_again_and_again():
    with tempfile.TemporaryDirectory(prefix="pit-snapshot-") as directory:
        writer = subprocess.Popen([MAKE_JOURNAL, directory, "400000"])
        journal = os.path.join(directory, "journal")
        taken = 0
        while writer.poll() is None:
            result = subprocess.run([PITLINE, "snapshot", journal, "--json"], capture_output=True, text=True)
            if taken == 0 and result.returncode == 1:
                continue  # it has not begun
            assert result.returncode == 0, result.stderr
            taken += 1
        assert writer.returncode == 0
        tool("snapshot", journal)
        wanted = digests(tool("replay", journal, "--verify")[0])
        assert wanted[2] == "400000"
        for name in snapshots(journal)[-5:]:
            at = int(name[9:29])
            assert digests(tool("replay", journal, "--from-snapshot=%d" % at, "--verify")[0]) == wanted
        print("# %d snapshots while it was written" % taken)


with tempfile.TemporaryDirectory(prefix="pit-snapshot-") as place:
    subprocess.run([MAKE_JOURNAL, place, str(COMMANDS)], check=True)
    ORIGINAL = os.path.join(place, "journal")
    tests = (replay_from_every_snapshot_gives_the_same, until_uses_a_snapshot_before_it,
             events_after_a_snapshot_are_those_of_the_whole, bad_snapshot_is_passed_over_for_the_older_one,
             snapshot_of_another_journal_is_passed_over, snapshot_ahead_of_the_journal_is_passed_over,
             only_the_newest_are_kept_if_asked, state_that_is_not_the_live_one_is_not_written, mistakes_are_told,
             journal_being_written_is_snapshotted_again_and_again)
    tap.main(*tests)
