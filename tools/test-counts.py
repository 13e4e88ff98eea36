#!/usr/bin/env python3
"""Counts a meson testlog.json: prints "passed failed skipped"."""
import json
import sys

counts = {"OK": 0, "SKIP": 0}
failed = 0
skipped = []
with open(sys.argv[1]) as log:
    for line in log:
        test = json.loads(line)
        if test["result"] in counts:
            counts[test["result"]] += 1
            if test["result"] == "SKIP":
                skipped.append(test["name"])
        elif test["result"] == "EXPECTEDFAIL":
            counts["OK"] += 1
        else:
            failed += 1
if skipped:
    print("skipped: " + ", ".join(skipped), file=sys.stderr)
print(counts["OK"], failed, counts["SKIP"])
