"""The reader that docs/journal-format.md shows reads a journal: format_page.py PAGE WRITE_SAMPLE."""
import pathlib
import re
import subprocess
import sys
import tempfile

page, write_sample = sys.argv[1:3]
program = re.search(r"^```python\n(.*?)^```", pathlib.Path(page).read_text(), re.M | re.S).group(1)
with tempfile.TemporaryDirectory() as directory:
    last = int(subprocess.run([write_sample, directory], check=True, capture_output=True, text=True).stdout)
    segments = len(list(pathlib.Path(directory).glob("*.journal")))
    read = subprocess.run([sys.executable, "-c", program, directory], check=True, capture_output=True, text=True)
    lines = read.stdout.splitlines()
assert segments == 2, segments
assert len(lines) == last, (len(lines), last)
assert lines[-1].split()[:2] == [str(last), str(1000 * last)], lines[-1]
