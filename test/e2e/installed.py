#!/usr/bin/env python3
"""meson install, then everything it promises: installed.py BUILD."""
import os
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <pitline/client.h>
#include <pitline/market_data.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    struct pit_error error = {0};
    struct pit_client *client = NULL;
    struct pit_client_options options = {.address = "unix:/nonexistent/socket", .account = 1};
    char text[PIT_DECIMAL_BYTES];
    if (pit_client_open(&client, &options, &error) == 0 || !error.text[0])
        return 1;
    return strcmp(pit_decimal_format(text, 23647, 1, 2), "236.47") != 0;
}
"""


def call(*command, **options):
    print("+", " ".join(command))
    return subprocess.run(command, check=True, **options)


with tempfile.TemporaryDirectory(prefix="pitline-install-") as root:
    call("meson", "install", "-C", sys.argv[1], "--no-rebuild", "--quiet", "--destdir", root)
    prefix = os.path.join(root, "usr/local")
    found = {os.path.relpath(os.path.join(place, name), prefix) for place, _, names in os.walk(prefix) for name in names}
    libraries = [name for name in found if name.endswith("libpitline.so")]
    configs = [name for name in found if name.endswith("pkgconfig/pitline.pc")]
    wanted = ["bin/pitline", "include/pitline/client.h", "include/pitline/market_data.h", "include/pitline/types.h",
              "include/pitline/error.h", "share/man/man1/pitline.1", "share/man/man1/pitline-run.1",
              "share/bash-completion/completions/pitline"]
    missing = [name for name in wanted if name not in found]
    if missing or not libraries or not configs or not any(name.endswith("pitline.service") for name in found):
        sys.exit("not installed: %s\nfound: %s" % (missing, sorted(found)))
    library = os.path.join(prefix, os.path.dirname(libraries[0]))
    source = os.path.join(root, "client.c")
    with open(source, "w") as file:
        file.write(PROGRAM)
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(prefix, os.path.dirname(configs[0])),
                       PKG_CONFIG_SYSROOT_DIR=root, LD_LIBRARY_PATH=library)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "pitline"], env=environment, check=True,
                           capture_output=True, text=True).stdout.split()
    call("gcc", "-Wall", "-Werror", source, "-o", source[:-2], *flags, env=environment)
    call(source[:-2], env=environment)
    call(os.path.join(prefix, "bin/pitline"), "--version", env=environment)
    exported = subprocess.run(["nm", "-D", "--defined-only", os.path.join(library, "libpitline.so")], check=True,
                              capture_output=True, text=True).stdout.split("\n")
    strangers = [line for line in exported if line and not line.split()[-1].split("@")[0].startswith(
        ("pit_client_", "pit_md_", "pit_decimal_", "pit_side_", "pit_tif_", "pit_reason_", "pit_trading_state_", "pit_message_kind_",
         "PITLINE_"))]
    if strangers:
        sys.exit("libpitline exports more than its headers: %s" % strangers)
    for page in sorted(name for name in found if name.endswith(".1")):
        warnings = subprocess.run(["man", "--warnings", "-l", os.path.join(prefix, page)], capture_output=True, text=True,
                                  env=dict(environment, LC_ALL="C.UTF-8", MANWIDTH="100"))
        if warnings.returncode or warnings.stderr.strip():
            sys.exit("%s: %s" % (page, warnings.stderr))
print("installed and used")
