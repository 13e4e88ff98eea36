#!/usr/bin/env python3
"""The tools on journals with compressed segments, and on those whose beginning was removed:
test_retention_tool.py PITLINE MAKE_JOURNAL RETIRE (TAP)"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

PITLINE, MAKE_JOURNAL, RETIRE = sys.argv[1:4]
COMMANDS = 160000  # 10 MB: three segments
AT = (60000, 150000)  # snapshots


def tool(*arguments, status=0):
    result = subprocess.run([PITLINE, *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert result.returncode == status, "%s: exit status %d\n%s%s" % (arguments, result.returncode, result.stdout[-2000:],
                                                                      result.stderr)
    return result.stdout, result.stderr


def retire(journal, what, block):
    return int(subprocess.run([RETIRE, journal, what, str(block)], check=True, capture_output=True, text=True).stdout)


def last_line(output):
    return re.search(r"^events-digest .*$", output, re.M)[0]


def listed(journal, status=0):
    *segments, totals = [json.loads(line) for line in tool("journal", "ls", "--json", journal, status=status)[0].splitlines()]
    return [segment for segment in segments if segment["state"] != "prepared"], totals


class Journal:
    """A copy of the journal, its segments before the last compressed or removed."""

    def __init__(self, what=None, snapshots=AT):
        self.what, self.snapshots = what, snapshots

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="pit-retention-")
        path = os.path.join(self.directory, "journal")
        shutil.copytree(ORIGINAL, path)
        for at in AT:
            if at not in self.snapshots:
                os.remove(os.path.join(path, "snapshot-%020d.pit" % at))
        if self.what:
            assert retire(path, self.what, LAST_SEGMENT) == 2
        return path

    def __exit__(self, *_):
        shutil.rmtree(self.directory)


def compressed_segments_are_listed_and_smaller():
    with Journal("compress") as journal:
        segments, totals = listed(journal)
        before, before_totals = listed(ORIGINAL)
        assert [segment["state"] for segment in segments] == ["compressed", "compressed", "open"], segments
        assert all(segment["segment"].endswith(".journal.zst") for segment in segments[:2])
        for segment, was in zip(segments[:2], before):
            assert segment["bytes"] == os.path.getsize(os.path.join(journal, segment["segment"])) < was["bytes"] / 2
            for name in ("commands", "first_sequence", "last_sequence", "first_time_ns", "blocks", "used"):
                assert segment[name] == was[name], (name, segment, was)
        assert totals["commands"] == before_totals["commands"] == COMMANDS


def tools_read_compressed_segments_as_ever():
    with Journal("compress") as journal:
        for arguments in (["replay", "--verify"], ["replay", "--until", 70000], ["replay", "--from-snapshot", "--verify"],
                          ["replay", "--from-snapshot=%d" % AT[0], "--verify"]):
            assert last_line(tool(arguments[0], journal, *arguments[1:])[0]) == \
                last_line(tool(arguments[0], ORIGINAL, *arguments[1:])[0])
        for arguments in (["journal", "cat", "--from", 100, "--to", 120], ["journal", "cat", "--digests"],
                          ["journal", "verify"]):
            assert tool(*arguments, journal) == tool(*arguments, ORIGINAL), arguments
        assert tool("journal", "diff", journal, ORIGINAL)[0].startswith("equal commands %d\n" % COMMANDS)
        for at in (1000, AT[0] + 1):
            told = json.loads(tool("snapshot", journal, "--at", at, "--json")[0])
            assert told["written"] and told["commands"] == at % AT[0], told


def damaged_compressed_segment_is_told():
    with Journal("compress") as journal:
        path = os.path.join(journal, "%020d.journal.zst" % 1)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        for arguments in (["journal", "verify"], ["replay"], ["journal", "cat"]):
            assert os.path.basename(path) + ": damaged" in tool(*arguments, journal, status=1)[1], arguments
        os.truncate(path, 1000)
        segments, totals = listed(journal, status=1)
        assert totals["damaged"] == 1 and segments[0]["state"] == "damaged", segments
        # A start from a snapshot does not need it.
        assert last_line(tool("replay", journal, "--from-snapshot", "--verify")[0]) == last_line(tool("replay", ORIGINAL)[0])


def journal_without_its_beginning_is_told_and_read_from_a_snapshot():
    with Journal("remove", snapshots=AT[1:]) as journal:
        segments, totals = listed(journal)
        first = segments[0]["first_sequence"]
        assert len(segments) == 1 and AT[0] < first < AT[1] and totals["first_sequence"] == first
        assert "what came before was removed" in tool("journal", "ls", journal)[0]
        error = tool("replay", journal, status=1)[1]
        assert "the first segment, %020d.journal, is missing" % 1 in error and "--from-snapshot" in error, error
        assert last_line(tool("replay", journal, "--from-snapshot", "--verify")[0]) == last_line(tool("replay", ORIGINAL)[0])
        output, _ = tool("journal", "verify", journal)
        assert "what came before sequence %d was removed; the snapshot of sequence %d" % (first, AT[1]) in output, output
        assert "sequence %d to %d" % (first, COMMANDS) in output, output
        assert re.search(r"^sound commands %d torn-bytes 0$" % (COMMANDS - first + 1), output, re.M), output
        output, error = tool("journal", "cat", journal)
        assert output == tool("journal", "cat", ORIGINAL, "--from", first)[0]  # symbols' names and all
        assert "begins with sequence %d" % first in error, error
        assert tool("journal", "cat", journal, "--from", first) == (output, "")
        for arguments in ([journal, ORIGINAL], [ORIGINAL, journal]):
            output, error = tool("journal", "diff", *arguments)
            assert output.startswith("equal commands %d\n" % (COMMANDS - first + 1)), output
            assert "begins with sequence %d" % first in error, error
        assert "is missing" in tool("snapshot", journal, "--at", AT[0], status=1)[1]
        assert json.loads(tool("snapshot", journal, "--json")[0])["sequence"] == COMMANDS


def beginning_that_no_snapshot_stands_for_is_damage():
    for snapshots in ((), AT[:1]):
        with Journal("remove", snapshots=snapshots) as journal:
            for arguments, status in ((["journal", "verify"], 1), (["journal", "cat"], 1), (["replay"], 1),
                                      (["replay", "--from-snapshot"], 1), (["snapshot"], 1)):
                assert "is missing" in tool(*arguments, journal, status=status)[1], arguments
            assert "is missing" in tool("journal", "diff", journal, ORIGINAL, status=2)[1]


with tempfile.TemporaryDirectory(prefix="pit-retention-") as place:
    subprocess.run([MAKE_JOURNAL, place, str(COMMANDS)], check=True)
    ORIGINAL = os.path.join(place, "journal")
    for sequence in AT:
        tool("snapshot", ORIGINAL, "--at", sequence)
    SEGMENTS = listed(ORIGINAL)[0]
    assert len(SEGMENTS) == 3 and AT[1] > SEGMENTS[2]["first_sequence"] > AT[0], SEGMENTS
    LAST_SEGMENT = SEGMENTS[2]["first_block"]
    tests = (compressed_segments_are_listed_and_smaller, tools_read_compressed_segments_as_ever,
             damaged_compressed_segment_is_told, journal_without_its_beginning_is_told_and_read_from_a_snapshot,
             beginning_that_no_snapshot_stands_for_is_damage)
    tap.main(*tests)
