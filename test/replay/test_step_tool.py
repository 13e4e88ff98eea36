#!/usr/bin/env python3
"""pitline replay --step: test_step_tool.py PITLINE MAKE_JOURNAL RETIRE (TAP)"""
import json
import os
import pty
import random
import subprocess
import sys
import tempfile

import tap

PITLINE, MAKE_JOURNAL, RETIRE = sys.argv[1:4]
COMMANDS = 40000
SEED = int(os.environ.get("PIT_SEED", random.SystemRandom().randrange(1 << 32)))
CHANCE = random.Random(SEED)


def step(script, *arguments, status=0):
    return tap.run(PITLINE, "replay", JOURNAL, "--step", *arguments, feed="\n".join(script) + "\n", status=status)


def lines(script, *arguments, status=0):
    return [json.loads(line) for line in step(script, "--json", *arguments, status=status)[0].splitlines()]


def replayed(until):
    """What `where` tells there."""
    if until == 0:
        return None
    told = json.loads(tap.run(PITLINE, "replay", JOURNAL, "--until", until, "--json")[0])
    return {"at": until, "time_ns": told["time_ns"], "resting": told["resting"], "events": told["events"],
            "events_digest": told["events_digest"], "state_digest": told["state_digest"]}


def every_place_is_that_of_a_replay():
    at, script, places = 0, [], []
    for _ in range(40):
        move, count = CHANCE.choice(("next", "back", "goto", "time")), CHANCE.randrange(1, 40)
        if move == "next":
            at, command = min(at + count, COMMANDS), "next %d" % count
        elif move == "back":
            at, command = max(at - count, 0), "back %d" % count
        else:
            at = CHANCE.randrange(1, COMMANDS + 1)
            command = "goto %d" % at if move == "goto" else "goto @%d" % (at * 1000000 + CHANCE.randrange(1000000))
        script += [command, "where"]
        places.append(at)
    told = lines(script, status=None if COMMANDS in places else 0)
    wheres = [line for line in told if "state_digest" in line]
    assert [line["at"] for line in wheres] == places
    for place, line in CHANCE.sample(list(zip(places, wheres)), 12):
        assert replayed(place) in (None, line), (place, line)


def next_prints_what_cat_and_events_print():
    with tempfile.TemporaryDirectory(prefix="pit-step-") as directory:
        path = os.path.join(directory, "events")
        tap.run(PITLINE, "replay", JOURNAL, "--events", path)
        events = [line.rstrip("\n") for line in open(path)]
    first = CHANCE.randrange(1, COMMANDS - 300)
    commands = tap.run(PITLINE, "journal", "cat", JOURNAL, "--from", first + 1, "--to", first + 300)[0].splitlines()
    for script in (["next 300"], ["n"] * 300, ["next 300", "back 300", "next 300"]):
        printed = step(script, "--json", "--until", first)[0].splitlines()
        repeats = len([word for word in script if word == "next 300"]) or 1
        assert [line for line in printed if '"command":' in line and not line.startswith('{"event"')] == commands * repeats
        wanted = [line for line in events if first < json.loads(line)["sequence"] <= first + 300]
        assert [line for line in printed if line.startswith('{"event"')] == wanted * repeats


def order_is_told_up_to_here():
    orders = [json.loads(line) for line in tap.run(PITLINE, "journal", "cat", JOURNAL, "--to", 20000)[0].splitlines()]
    chosen = CHANCE.sample([order["sequence"] for order in orders if order["command"] == "new" and order["tif"] == "gtc"
                            and not order["post_only"]], 20)
    for at in (20000, 25000, COMMANDS):
        told = lines(["goto %d" % at] + ["order %d" % order for order in chosen] + ["where"], status=None)
        assert told[-1] == replayed(at)
        found = 0
        for order in chosen:
            output, _ = tap.run(PITLINE, "replay", JOURNAL, "--until", at, "--order", order, "--json", status=None)
            wanted = [json.loads(line) for line in output.splitlines()][:-1]
            mine = [line for line in told if line.get("order_id") == order and "event" not in line]
            assert mine or any("there is no order %d:" % order in line.get("error", "") for line in told), order
            assert mine == wanted, (order, mine, wanted)
            found += bool(wanted)
        assert found > 5
    account, client_id = next((order["account"], order["client_id"]) for order in orders if order.get("client_id") and
                              order["command"] == "new")
    wanted = tap.run(PITLINE, "replay", JOURNAL, "--client-order", "%d:%d" % (account, client_id), "--json", status=None)[0]
    told = lines(["goto end", "order %d:%d" % (account, client_id)], status=None)
    assert told[2:-1] == [json.loads(line) for line in wanted.splitlines()][:-1] and told[-1] == told[1]


def book_is_that_of_a_replay():
    wanted = tap.run(PITLINE, "replay", JOURNAL, "--until", 30000, "--book", "SYM1", "--depth", 5, "--json")[0].splitlines()
    told = step(["goto end", "back 10000", "book SYM1 5"], "--json")[0].splitlines()
    assert told[3:-1] == wanted[:-1] and len(told) == 14 and told[-1] == told[2]
    text, _ = step(["goto 30000", "book SYM1"])
    assert "SYM1 after sequence 30000" in text and "at 30000 of 1970-01-01T00:00:30.000000000Z" in text, text


def memory_for_stepping_back_is_bounded():
    script = ["goto end"] + ["back 1"] * 20 + ["where"]
    small, large = step(script, "--memory", 1)[0], step(script)[0]
    assert small.splitlines()[:-1] == large.splitlines()[:-1]
    kept = int(large.splitlines()[-1].split()[5])
    assert kept >= 2, large
    assert float(small.splitlines()[-1].split("states, ")[1].split(" MiB")[0]) <= 1.0, small


def snapshots_are_used_and_bad_ones_passed_over():
    tap.run(PITLINE, "snapshot", JOURNAL, "--at", 10000)
    tap.run(PITLINE, "snapshot", JOURNAL, "--at", 30000)
    path = os.path.join(JOURNAL, "snapshot-%020d.pit" % 30000)
    try:
        wanted = replayed(35000)
        script = ["goto 35000", "where"]
        assert step(script, "--json", "--from-snapshot")[1] == ""
        assert lines(script, "--from-snapshot")[-1] == lines(script)[-1] == wanted
        with open(path, "r+b") as file:
            file.seek(100)
            file.write(b"spoilt")
        output, errors = step(script, "--json", "--from-snapshot")
        assert path in errors and json.loads(output.splitlines()[-1]) == wanted, errors
    finally:
        for name in os.listdir(JOURNAL):
            if name.endswith(".pit"):
                os.remove(os.path.join(JOURNAL, name))


def mistakes_are_told_and_the_rest_goes_on():
    output, errors = step(["goto %d" % (COMMANDS + 1)], "--json", status=1)
    told = [json.loads(line) for line in output.splitlines()]
    assert told[1] == {"error": "the journal ends before that"} and told[2]["at"] == COMMANDS, told
    output, errors = step(["what", "next x", "back -1", "goto", "goto nowhere", "book", "book NOPE", "order", "order x",
                           "order 1:0", "a b c d", "next " + "9" * 300, "where"], status=1)
    assert output.count("at the beginning") == 2 and len(errors.splitlines()) == 12, errors
    assert "there is no command 'what'" in errors and "there is no symbol 'NOPE' at this point" in errors
    told = lines(["goto end", "next", "what", "", "book NOPE", "order 5000000", "next " + "9" * 300], status=1)
    errors = [line["error"] for line in told if "error" in line]
    assert errors[:2] == ["the journal ends here", "there is no command 'what'; 'help' lists them"] and len(errors) == 5, errors
    assert [set(line) & {"error", "at"} for line in told] == [{"at"}] * 2 + [{"error"}, {"at"}] * 5, told
    assert "the journal ends before that" in step(["where"], "--until", COMMANDS + 1, status=1)[1]
    assert step(["quit", "what"])[1] == "" and "SEQ|TIME|begin|end" in step(["help"])[0]
    for wrong in (["--book", "SYM1"], ["--verify"], ["--events", "x"], ["--order", "5"], ["--memory", "0"]):
        step([], *wrong, status=2)


def damage_is_told_where_it_is_met():
    with tempfile.TemporaryDirectory(prefix="pit-step-") as directory:
        subprocess.run([MAKE_JOURNAL, directory, "5000"], check=True)
        path = os.path.join(directory, "journal", "%020d.journal" % 1)
        with open(path, "r+b") as file:
            file.seek(200000)
            file.write(b"damage")
        output, errors = tap.run(PITLINE, "replay", os.path.join(directory, "journal"), "--step", feed="next\ngoto end\nnext\n",
                                 status=1)
        assert path in errors and "damaged" in errors and "at 1 of" in output, errors


def journal_being_written_is_followed():
    with tempfile.TemporaryDirectory(prefix="pit-step-") as directory:
        writer = subprocess.Popen([MAKE_JOURNAL, directory, "300000"])
        journal = os.path.join(directory, "journal")
        while writer.poll() is None and not os.path.exists(os.path.join(journal, "%020d.journal" % 1)):
            pass
        process = subprocess.Popen([PITLINE, "replay", journal, "--step", "--json"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)

        def ask(command):
            process.stdin.write(command + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        assert json.loads(process.stdout.readline())["at"] == 0
        at = rounds = 0
        while at < 300000:
            running = writer.poll() is None
            told = ask("goto end")
            assert told["at"] >= at, told
            at = told["at"]
            if at > 100:
                assert ask("back 100")["at"] == at - 100
                assert ask("goto %d" % at) == told
            rounds += 1
            assert running or at == 300000, told
        process.stdin.close()
        assert process.wait(timeout=60) == 0 and writer.wait(timeout=60) == 0
        process.stdout.close()
        print("# %d looks while it was written" % rounds)


def old_segments_compressed_or_removed_are_walked_too():
    with tempfile.TemporaryDirectory(prefix="pit-step-") as directory:
        subprocess.run([MAKE_JOURNAL, directory, "160000"], check=True)
        journal = os.path.join(directory, "journal")
        for at in (60000, 150000):
            tap.run(PITLINE, "snapshot", journal, "--at", at)
        last = sorted(name for name in os.listdir(journal) if name.endswith(".journal"))[-1]
        go = ["goto 155000", "where", "back 30000", "where", "back", "goto 70000", "where", "order 50000"]

        def walk(script, *arguments, status=0):
            output, errors = tap.run(PITLINE, "replay", journal, "--step", "--json", *arguments, feed="\n".join(script),
                                     status=status)
            return [json.loads(line) for line in output.splitlines()], errors

        wanted, _ = walk(go, status=None)
        subprocess.run([RETIRE, journal, "compress", last[:20]], check=True, capture_output=True)
        assert walk(go, status=None)[0] == wanted
        subprocess.run([RETIRE, journal, "remove", last[:20]], check=True, capture_output=True)
        begins = json.loads(tap.run(PITLINE, "journal", "ls", "--json", journal)[0].splitlines()[0])["first_sequence"]
        gone = "the journal in %s begins with sequence %d, what was before has been removed, and no snapshot" % (journal, begins)
        assert gone in walk(["where"], status=1)[1]
        assert gone in walk(go, "--until", begins - 2, status=1)[1]
        told, errors = walk(["where", "goto 140000", "where", "order 50000", "where", "back 1000", "where"], "--until", 155000,
                            status=1)
        assert told[1] == told[4] == told[7] == wanted[2] and errors == "", (told, wanted)
        assert gone in told[2]["error"] and gone in told[5]["error"] and told[8]["at"] == told[9]["at"] == 154000, told


def terminal_gets_a_prompt_and_may_repeat():
    master, slave = pty.openpty()
    process = subprocess.Popen([PITLINE, "replay", JOURNAL, "--step"], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, b"goto 20\nback 2\n\n\nwhat\nquit\n")
    output = b""
    try:
        while True:
            data = os.read(master, 4096)
            if not data:
                break
            output += data
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0, output
    assert b"> " in output and [b"at %d of" % at in output for at in (20, 18, 16, 14)] == [True] * 4, output


print("# PIT_SEED=%d" % SEED)
with tempfile.TemporaryDirectory(prefix="pit-step-") as place:
    subprocess.run([MAKE_JOURNAL, place, str(COMMANDS)], check=True)
    JOURNAL = os.path.join(place, "journal")
    tap.main(every_place_is_that_of_a_replay, next_prints_what_cat_and_events_print, order_is_told_up_to_here,
             book_is_that_of_a_replay, memory_for_stepping_back_is_bounded, snapshots_are_used_and_bad_ones_passed_over,
             mistakes_are_told_and_the_rest_goes_on, damage_is_told_where_it_is_met,
             journal_being_written_is_followed,
             old_segments_compressed_or_removed_are_walked_too, terminal_gets_a_prompt_and_may_repeat)
