#!/usr/bin/env python3
"""The upgrade gate: what released versions wrote is read to the same digests, and what an unknown version wrote is refused
by name. test_golden.py (TAP), with PITLINE in the environment."""
import hashlib
import json
import os
import pathlib
import shutil
import struct
import sys
import tarfile
import tempfile

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here.parent / "e2e"), str(here.parent / "replay")]
import journal_file  # noqa: E402
import pitline  # noqa: E402

RECORDINGS = sorted(path.parent for path in here.glob("*/manifest.json"))
RECORD = "record it: test/golden/record.py build/tools/pitline"


class Recording:
    """A recording, laid out in a directory of its own."""

    def __init__(self, place):
        self.place = place
        self.manifest = json.loads((place / "manifest.json").read_text())

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="pitline-golden-")
        self.data = os.path.join(self.directory, "data")
        with tarfile.open(self.place / "journal.tar.xz") as archive:
            for entry in archive:
                assert entry.isfile() and "/" not in entry.name, entry.name
                os.makedirs(self.data, exist_ok=True)
                with open(os.path.join(self.data, entry.name), "wb") as file:
                    shutil.copyfileobj(archive.extractfile(entry), file)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory)

    def segment(self):
        return journal_file.segments(self.data)[0]

    def snapshot(self, sequence):
        return os.path.join(self.data, "snapshot-%020d.pit" % sequence)

    def replay(self, *arguments):
        return json.loads(pitline.run("replay", self.data, "--json", *arguments).splitlines()[-1])


def fingerprint(directory):
    return {name: hashlib.sha256(pathlib.Path(directory, name).read_bytes()).hexdigest() for name in os.listdir(directory)}


def expect(found, wanted):
    for name, value in wanted.items():
        assert found[name] == value, "%s: %r, and %r was recorded" % (name, found[name], value)


def every_recording_replays_to_its_digests():
    for place in RECORDINGS:
        with Recording(place) as recording:
            manifest = recording.manifest
            assert place.name.split("-")[0] == manifest["pitline"]
            assert fingerprint(recording.data) == manifest["sha256"]
            sound = pitline.run("journal", "verify", recording.data)
            assert sound.endswith("sound commands %d torn-bytes 0\n" % manifest["whole"]["commands"]), sound
            for kind, count in manifest["kinds"].items():
                assert "%s %d" % (kind, count) in sound, sound
            expect(recording.replay("--verify"), manifest["whole"])
            for wanted in manifest["until"]:
                expect(recording.replay("--verify", "--until", wanted["sequence"]), wanted)
            assert fingerprint(recording.data) == manifest["sha256"], "reading changed it"
            print("# pitline %s: %d commands" % (place.name, manifest["whole"]["commands"]))


def every_snapshot_recorded_begins_the_same_replay():
    for place in RECORDINGS:
        with Recording(place) as recording:
            whole = recording.manifest["whole"]
            assert recording.manifest["snapshots"]
            for sequence in recording.manifest["snapshots"]:
                found = recording.replay("--verify", "--from-snapshot=%d" % sequence)
                assert found["from_snapshot"] == sequence and found["commands"] == whole["commands"] - sequence
                for name in ("sequence", "time_ns", "resting", "events_digest", "state_digest"):
                    assert found[name] == whole[name], (sequence, found, whole)


def every_recording_is_gone_on_with():
    for place in RECORDINGS:
        with Recording(place) as recording:
            whole = recording.manifest["whole"]
            with pitline.Pipeline(directory=recording.directory, symbols=[]) as pipeline:
                load = ["load", "--address", pipeline.socket, "--symbols", "FINE", "--flow", "exchange", "--count", "2000", "--quiet"]
                pitline.run(*load)
                status, output = pipeline.stop()
                assert status == 0, output
            found = recording.replay("--verify")
            assert found["sequence"] >= whole["sequence"] + 2000 and found["digests_compared"] > whole["digests_compared"]
            before = recording.replay("--until", whole["sequence"])
            assert before["state_digest"] == whole["state_digest"] and before["events_digest"] == whole["events_digest"]
            for sequence in recording.manifest["snapshots"]:
                after = recording.replay("--verify", "--from-snapshot=%d" % sequence)
                assert after["state_digest"] == found["state_digest"], (after, found)


def formats_written_now_are_recorded():
    """A new version of a format comes with a recording of what its release writes."""
    manifests = [json.loads((place / "manifest.json").read_text()) for place in RECORDINGS]
    with tempfile.TemporaryDirectory(prefix="pitline-golden-") as directory:
        with pitline.Pipeline(directory=directory) as pipeline:
            pitline.run("load", "--address", pipeline.socket, "--flow", "exchange", "--count", "100", "--quiet")
            pitline.run("snapshot", pipeline.data)
            data = pipeline.data
            assert pipeline.stop()[0] == 0
        journal = struct.unpack_from("<I", journal_file.segments(data)[0].read_bytes(), 8)[0]
        snapshot = next(pathlib.Path(data).glob("snapshot-*.pit")).read_bytes()[8 + 16 + 1]
    assert journal in {manifest["journal_version"] for manifest in manifests}, RECORD
    assert snapshot in {manifest["snapshot_version"] for manifest in manifests}, RECORD


def set_journal_version(path, version):
    page = bytearray(path.read_bytes()[:journal_file.PAGE])
    struct.pack_into("<II", page, 8, version, 0)
    struct.pack_into("<I", page, 12, journal_file.crc32c(page))
    with open(path, "r+b") as file:
        file.write(page)


def set_snapshot_version(path, version):
    data = bytearray(pathlib.Path(path).read_bytes())
    kind, length = struct.unpack_from("<4sI", data, 8)
    assert kind == b"HEAD" and data[25] < 128 and version < 128
    data[25] = version  # the first element of the array: one byte as long as it is below 128
    struct.pack_into("<I", data, 20, 0)
    struct.pack_into("<I", data, 20, journal_file.crc32c(data[8:24 + length]))
    pathlib.Path(path).write_bytes(data)


def journal_of_an_unknown_version_is_refused_by_name():
    with Recording(RECORDINGS[-1]) as recording:
        for version, advice in ((recording.manifest["journal_version"] + 1, "or a later one"), (0, "or one that still reads")):
            set_journal_version(recording.segment(), version)
            before = fingerprint(recording.data)
            before.pop("lock", None)
            told = "%s is written in version %d of the journal's format, and this pitline" % (recording.segment(), version)
            for arguments in (["replay"], ["replay", "--from-snapshot"], ["journal", "verify"], ["journal", "cat"], ["snapshot"],
                              ["replay", "--what-if", os.devnull]):
                output = pitline.run(*arguments, recording.data, status=1)
                assert told in output and "Use the pitline that wrote it, " + advice in output, (arguments, output)
            output = pitline.run("run", "--data", recording.data, "--listen", "unix:%s/sock" % recording.directory, status=1)
            assert told in output and advice in output, output
            output = pitline.run("journal", "ls", recording.data, status=1)
            assert "version of the format than this pitline reads" in output, output
            after = fingerprint(recording.data)
            assert {name: after[name] for name in before} == before, "it was changed"


def snapshot_of_an_unknown_version_is_passed_over_by_name():
    with Recording(RECORDINGS[-1]) as recording:
        manifest = recording.manifest
        first, last = manifest["snapshots"]
        set_snapshot_version(recording.snapshot(last), manifest["snapshot_version"] + 1)
        told = "%s is written in version %d of the snapshots' format, and this pitline" % (
            recording.snapshot(last), manifest["snapshot_version"] + 1)
        output = pitline.run("replay", recording.data, "--from-snapshot", "--verify")
        assert told in output and "warning" in output, output
        assert "snapshot  of sequence %d," % first in output, output
        assert manifest["whole"]["events_digest"] in output and manifest["whole"]["state_digest"] in output, output
        output = pitline.run("replay", recording.data, "--from-snapshot=%d" % last, status=1)
        assert told in output and "use the pitline that wrote it, or do without this snapshot" in output, output


assert RECORDINGS, "no recording in %s" % here
pitline.main(every_recording_replays_to_its_digests, every_snapshot_recorded_begins_the_same_replay,
             every_recording_is_gone_on_with, formats_written_now_are_recorded,
             journal_of_an_unknown_version_is_refused_by_name, snapshot_of_an_unknown_version_is_passed_over_by_name)
