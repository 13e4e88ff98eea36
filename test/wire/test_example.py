#!/usr/bin/env python3
"""The client in docs/wire.md compiles against libpitline.so and talks to a server.

usage: test_example.py DOCUMENT INCLUDES LIBRARY SERVER COMPILER..."""
import pathlib
import re
import subprocess
import sys
import tempfile

document, includes, library, server = sys.argv[1:5]
compiler = sys.argv[5:]
source = re.search(r"^```c\n(.*?)^```", pathlib.Path(document).read_text(), re.S | re.M)[1]
print(f"1..2\n# {len(source.splitlines())} lines")
expected = """1 ACCEPTED order 1 price 1 quantity 1
2 CANCELLED order 1 price 0 quantity 0
0 BYE logged out
"""
with tempfile.TemporaryDirectory() as directory:
    program = pathlib.Path(directory) / "example"
    program.with_suffix(".c").write_text(source)
    library = pathlib.Path(library).resolve()
    subprocess.run([*compiler, "-std=c17", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{includes}", "-o", program,
                    program.with_suffix(".c"), f"-L{library.parent}", "-lpitline", f"-Wl,-rpath,{library.parent}"],
                   check=True)
    print("ok 1 - example_in_the_documentation_compiles")
    listening = subprocess.Popen([server, f"unix:{directory}/server.sock"], stdout=subprocess.PIPE, text=True)
    address = listening.stdout.readline().strip()
    result = subprocess.run([program, address], capture_output=True, text=True, timeout=60)
    good = listening.wait(60) == 0 and result.returncode == 0 and result.stdout == expected
    print("ok" if good else "not ok", "2 - example_in_the_documentation_talks_to_a_server")
    for line in [] if good else (result.stdout + result.stderr).splitlines():
        print("#", line)
    sys.exit(0 if good else 1)
