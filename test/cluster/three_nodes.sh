#!/bin/sh
# test/cluster/three_nodes.sh PROGRAM [ARGUMENT...] - runs it in a fresh directory, which goes away with it.
set -eu
program=$1
shift
directory=$(mktemp -d "${TMPDIR:-/tmp}/pitline-nodes.XXXXXX")
trap 'rm -rf "$directory"' EXIT
"$program" "$directory" "$@"
