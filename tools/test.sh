#!/usr/bin/env bash
# Installs what is missing, builds with gcc and clang, and runs every test:
#   build        gcc -O3      all suites
#   build-clang  clang -O3    all suites
#   build-asan   clang, AddressSanitizer + UndefinedBehaviorSanitizer
#   build-tsan   clang, ThreadSanitizer
#   build-debug  gcc -O0      replays what the others wrote: the digests must be the same bits
# `tools/test.sh quick` runs the first only. The last line counts test programs: N passed, N failed, N skipped.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
. tools/setup.sh
install_missing $packages_test || exit 1

passed=0 failed=0 skipped=0

# suite DIR [MESON TEST OPTION...] - runs DIR's tests and adds its counts to the totals.
suite() {
    local dir=$1 counts
    shift
    echo "== $dir: meson test $*"
    rm -f "$dir/meson-logs/testlog.json"
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" 2>&1 | grep -vE '^(ninja: |$)' | tail -n 200
    counts=$(python3 tools/test-counts.py "$dir/meson-logs/testlog.json") || counts="0 1 0"
    set -- $counts
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# step NAME COMMAND... - one check that is no meson test.
step() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED: $name" >&2; fi
}

step "build: gcc -O3" build build
suite build
if [ "${1:-}" != quick ]; then
    CC=clang step "build: clang -O3" build build-clang
    suite build-clang
    CC=clang step "build: AddressSanitizer + UndefinedBehaviorSanitizer" \
        build build-asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
    suite build-asan --timeout-multiplier 4
    CC=clang step "build: ThreadSanitizer" \
        build build-tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
    suite build-tsan --timeout-multiplier 6
    step "build: gcc -O0" build build-debug -Dbuildtype=debug
    step "the same commands, four builds, live and replayed: one digest" \
        python3 test/e2e/across_builds.py build build-clang build-debug build-asan
    step "the same seeds of the simulator, four builds: the same runs" \
        test/sim/across_builds.sh build build-clang build-debug build-asan
    step "install and use" python3 test/e2e/installed.py build
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
