#!/usr/bin/env python3
"""What --help says is what the man pages and the shell completion say, no option more and none less."""
import pathlib
import re
import subprocess

import pitline

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPLETION = ROOT / "tools/packaging/pitline.bash-completion"
# The man page of each command; halt and resume share one, and so do the benches.
COMMANDS = {("run",): "run", ("check",): "check", ("replay",): "replay", ("snapshot",): "snapshot", ("tail",): "tail", ("load",): "load",
            ("halt",): "halt", ("resume",): "halt", ("bench", "book"): "bench", ("bench", "pipeline"): "bench",
            **{("journal", what): "journal" for what in ("ls", "cat", "verify", "diff")},
            **{("cluster", what): "cluster" for what in ("status", "leader", "transfer", "snapshot")}}


def options_of_help(command):
    lines = re.findall(r"^ {2,6}((?:-\w, +)?--[a-z-]+)", pitline.run(*command, "--help"), re.M)
    found = {option for line in lines for option in re.findall(r"-\w\b|--[a-z-]+", line)}
    return found - {"--usage", "--help"}


def options_of_page(page):
    """The options that the page's tagged paragraphs explain."""
    lines = (ROOT / "docs/man" / ("pitline-%s.1" % page)).read_text().split("\n")
    found = set()
    for before, line in zip(lines, lines[1:]):
        if before == ".TP":
            plain = re.sub(r"\\f.", "", line).replace("\\-", "-")
            found |= set(re.findall(r"(?<![\w-])(--[a-z-]+|-\w)\b", plain))
    return found


def complete(*words):
    script = '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pitline; printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", script, "bash", COMPLETION, "pitline", *words], check=True,
                            capture_output=True, text=True)
    assert result.stderr == "", result.stderr
    return set(result.stdout.split())


def the_man_pages_explain_every_option_and_no_other():
    pages = {}
    for command, page in COMMANDS.items():
        pages.setdefault(page, set()).update(options_of_help(command))
    for page, wanted in pages.items():
        found = options_of_page(page)
        assert found == wanted, "pitline-%s.1: missing %s, not in --help %s" % (page, wanted - found, found - wanted)


def the_completion_offers_every_option_and_no_other():
    for command in COMMANDS:
        wanted = {option for option in options_of_help(command) if option.startswith("--")} | {"--help"}
        found = complete(*command, "--")
        assert found == wanted, "%s: missing %s, not in --help %s" % (command, wanted - found, found - wanted)


def the_completion_offers_every_command_and_no_other():
    wanted = set(re.findall(r"^  (\w+)  ", pitline.run("--help"), re.M)) | {"--help", "--version"}
    assert complete("") == wanted, complete("")
    for command in ("bench", "journal", "cluster"):
        parts = set(re.findall(r"^  (\w+)  ", pitline.run(command, "--help"), re.M))
        assert parts and complete(command, "") == parts, complete(command, "")
        assert parts == {words[1] for words in COMMANDS if words[0] == command}, parts
    told = pitline.run("load", "--flow", "nosuch", status=2)
    for flow in complete("load", "--flow", ""):
        assert flow in told, told


if __name__ == "__main__":
    pitline.main(the_man_pages_explain_every_option_and_no_other, the_completion_offers_every_option_and_no_other,
                 the_completion_offers_every_command_and_no_other)
