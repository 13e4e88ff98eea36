"""What the tests of the tools share: running pitline, and telling the results as TAP."""
import re
import subprocess
import sys


def run(program, *arguments, status=0, feed=None):
    """(standard output, standard error) of a run that ends with this status; None: any."""
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=100, input=feed)
    assert status in (None, result.returncode), "%s: exit status %d\n%s%s" % (
        " ".join(map(str, arguments)), result.returncode, result.stdout[-3000:], result.stderr[-3000:])
    return result.stdout, result.stderr


def digests(output):
    """(events, state, commands) of the last line of a replay."""
    found = re.search(r"^events-digest ([0-9a-f]{16}) state-digest ([0-9a-f]{16}) commands (\d+)$", output, re.M)
    assert found, output
    return found.groups()


def main(*tests):
    print("1..%d" % len(tests))
    failed = 0
    for number, test in enumerate(tests, 1):
        try:
            test()
            print("ok %d - %s" % (number, test.__name__))
        except Exception as error:
            failed += 1
            print("not ok %d - %s" % (number, test.__name__))
            print("\n".join("# " + line for line in ("%s: %s" % (type(error).__name__, error)).splitlines()))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
