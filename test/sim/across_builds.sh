#!/bin/sh
# across_builds.sh BUILD... - the same seeds in several builds are the same runs: one hash.
set -eu
first=
for build in "$@"; do
    said=$("$build/test/sim/pitline-sim" --seeds 1..25; "$build/test/sim/pitline-sim" --cluster 3 --seeds 1..15)
    echo "$build: $said"
    [ "${first:=$said}" = "$said" ] || {
        echo "the same seeds gave different runs in $1 and $build" >&2
        exit 1
    }
done
