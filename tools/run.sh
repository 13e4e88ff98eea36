#!/usr/bin/env bash
# Installs what is missing, builds build/tools/pitline, and runs `pitline run`: a demo, or with the arguments given here.
# --demo-cluster[=SECONDS]: a demo of a cluster of three nodes (tools/demo-cluster.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tools/setup.sh"
install_missing $packages_run
(cd "$here" && build build)
case ${1:-} in
--demo-cluster) exec "$here/tools/demo-cluster.sh" "${@:2}" ;;
--demo-cluster=*) exec "$here/tools/demo-cluster.sh" "${1#*=}" "${@:2}" ;;
esac
[ $# -gt 0 ] || set -- --demo
exec "$here/build/tools/pitline" run "$@"
