#!/usr/bin/env bash
# Installs what is missing, builds build/tools/pitline, and runs `pitline run`: a demo, or with the arguments given here.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tools/setup.sh"
install_missing $packages_run
(cd "$here" && build build)
[ $# -gt 0 ] || set -- --demo
exec "$here/build/tools/pitline" run "$@"
