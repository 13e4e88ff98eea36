#!/usr/bin/env python3
"""How the code reads, held by a test: layout, size of files, one place for memory ordering, one way for imports."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

root = pathlib.Path(os.environ.get("PIT_ROOT", "."))
rooms = ["ring", "memory", "book", "journal", "wire", "replay", "stages", "include", "tools", "test"]
files = sorted(p for room in rooms for p in (root / room).rglob("*.[ch]"))
problems = []

# Which rooms a room may include. `tools` and `test` stand on all.
may_know = {
    "ring": {"ring"},
    "book": {"book"},
    "memory": {"memory", "ring", "book"},
    "journal": {"journal", "ring", "book", "memory"},
    "wire": {"wire", "ring", "book", "memory"},
    "replay": {"replay", "ring", "book", "memory", "journal", "wire"},
    "stages": {"stages", "ring", "book", "memory", "journal", "wire", "replay"},
    "include": set(),
}
exceptions = {("book", "ring/check.h")}  # macros only
ordering = re.compile(r"__atomic_|__sync_|\bck_pr_|\b_Atomic\b|\bstdatomic\b|\batomic_|\bvolatile\b|__asm__|\basm\b")
unfinished = re.compile(r"\b(TODO|FIXME|XXX)\b|not implemented", re.I)

for path in files:
    name = str(path.relative_to(root))
    room = name.split("/")[0]
    text = path.read_text()
    lines = text.split("\n")
    if len(lines) > 801:
        problems.append(f"{name}: {len(lines)} lines; a file has at most 800")
    if room != "test" and name != "ring/sequence.h":
        for number, line in enumerate(lines, 1):
            code = re.sub(r"/\*.*?\*/|//.*|^\s*\*.*", "", line)
            if ordering.search(code):
                problems.append(f"{name}:{number}: memory ordering belongs in ring/sequence.h: {line.strip()}")
    for number, line in enumerate(lines, 1):
        if unfinished.search(line):
            problems.append(f"{name}:{number}: unfinished: {line.strip()}")
        if room in may_know:
            include = re.match(r'#include "([a-z_]+)/([^"]+)"', line)
            if include and include[1] != "pitline":
                target = f"{include[1]}/{include[2]}"
                if include[1] not in may_know[room] and (room, target) not in exceptions:
                    problems.append(f"{name}:{number}: {room} may not know {target}")
    if path.suffix == ".h" and room != "test" and not text.startswith("/*"):
        problems.append(f"{name}: a header opens with what it is")
    if re.search(r"\bassert\(", text) and room != "test" and "_Static_assert" not in text:
        problems.append(f"{name}: PIT_CHECK, not assert")

if shutil.which("clang-format"):
    result = subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror", *map(str, files)], cwd=root,
                            capture_output=True, text=True)
    if result.returncode:
        first = [line for line in result.stderr.split("\n") if "error:" in line]
        problems.append("clang-format -i would change:\n    " + "\n    ".join(first[:20]))
else:
    print("clang-format is not installed: layout not checked")

print("\n".join(problems) or f"{len(files)} files read well")
sys.exit(bool(problems))
