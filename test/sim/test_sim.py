#!/usr/bin/env python3
"""The simulator itself: a seed is the same run each time, a failing one gets smaller, and nonsense is refused."""
import re
import subprocess
import sys
import unittest

SIM = sys.argv.pop(1)


def sim(*arguments, code=0):
    result = subprocess.run([SIM, *arguments], capture_output=True, text=True, timeout=240)
    if result.returncode != code:
        raise AssertionError(f"pitline-sim {' '.join(arguments)}: exit status {result.returncode}, not {code}\n"
                             f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout + result.stderr


def hash_of(text):
    return re.search(r"hash ([0-9a-f]{16})", text)[1]


class Simulator(unittest.TestCase):
    def test_a_seed_is_the_same_run_each_time(self):
        for seed in ("2", "5", "17"):
            self.assertEqual(sim("--seed", seed), sim("--seed", seed))
        self.assertEqual(sim("--seed", "3", "--trace"), sim("--seed", "3", "--trace"))
        for nodes, seed in (("3", "2"), ("3", "5"), ("5", "2"), ("5", "17")):
            self.assertEqual(sim("--cluster", nodes, "--seed", seed), sim("--cluster", nodes, "--seed", seed))
        self.assertEqual(sim("--cluster", "3", "--seed", "3", "--trace"), sim("--cluster", "3", "--seed", "3", "--trace"))

    def test_what_the_machine_is_does_not_matter(self):
        alone = subprocess.run(["taskset", "-c", "0", SIM, "--seed", "4"], capture_output=True, text=True, timeout=240)
        self.assertEqual(alone.returncode, 0, alone.stderr)
        self.assertEqual(hash_of(alone.stdout), hash_of(sim("--seed", "4")))

    def test_seeds_differ(self):
        self.assertEqual(len({hash_of(sim("--seed", str(seed))) for seed in range(1, 9)}), 8)

    def test_every_kind_of_thing_happens(self):
        text = sim("--seeds", "1..40")
        for what in ("commands", "acknowledged", "segments", "crashes", "clean stops", "starts", "of them refused",
                     "faults of the disk", "snapshots", "old segments"):
            self.assertGreater(int(re.search(rf"(\d+) {what}", text)[1]), 20, text)

    def test_every_kind_of_thing_happens_in_a_cluster(self):
        text = sim("--cluster", "3", "--seeds", "1..100")
        for what in ("commands", "acknowledged", "crashes", "clean stops", "starts", "of them refused",
                     "faults of the disk", "elections", "clients sent", "nodes that failed", "old segments",
                     "damaged and put aside", "snapshots sent", "installed there", "of them after damage"):
            self.assertGreater(int(re.search(rf"(\d+) {what}", text)[1]), 10, text)

    def test_a_failing_cluster_fails_again(self):
        mutant = ("--cluster", "3", "--mutant", "leaders-time-falls")
        first = sim(*mutant, "--seeds", "1..200", code=1)
        self.assertEqual(first, sim(*mutant, "--seed", re.search(r"seed (\d+) FAILS", first)[1], code=1))

    def test_a_failing_seed_fails_again_and_gets_smaller(self):
        first = sim("--mutant", "ack-before-sync", "--seeds", "20..200", code=1)
        seed = re.search(r"seed (\d+) FAILS", first)[1]
        again = sim("--mutant", "ack-before-sync", "--seed", seed, code=1)
        self.assertEqual(first, again)
        small = sim("--mutant", "ack-before-sync", "--seed", seed, "--minimise", code=1)
        self.assertEqual(small, sim("--mutant", "ack-before-sync", "--seed", seed, "--minimise", code=1))
        for what, part in ((r"(\d+) actions of clients", 20), (r"(\d+) faults:", 1)):
            before, after = int(re.search(what, first)[1]), int(re.search(what, small)[1])
            self.assertLessEqual(after, before // part, small)
        self.assertIn("were acknowledged; only", small)

    def test_a_run_without_its_mutant_is_clean(self):
        text = sim("--mutant", "ack-before-sync", "--seeds", "20..200", code=1)
        sim("--seed", re.search(r"seed (\d+) FAILS", text)[1])

    def test_nonsense_is_refused(self):
        for arguments, says in ((["--seed", "x"], "'x' is no number"), (["--seeds", "5"], "FROM..TO"),
                                (["--seeds", "9..3"], "FROM..TO"), (["--seed", "1", "--steps", "0"], "1 to 1000000"),
                                ([], "which seeds?"), (["--cluster", "4", "--seed", "1"], "it has 3 or 5"), (["--seed", "1", "more"], "one argument too many"),
                                (["--seed", "1", "--mutant", "none"], "there is no mutant 'none'")):
            self.assertIn(says, sim(*arguments, code=64))

    def test_help_tells_how(self):
        self.assertIn("--minimise", sim("--help"))


unittest.main(verbosity=2)
