#!/bin/sh
# recorded-flow.sh FILE - the whole round on a recorded Bitstamp feed: starts a pipeline for its symbol, sends the feed
# over the wire, stops the pipeline, replays and verifies the journal. Ends with a line like
#
#   530 of 575 trades, 4973 of 5011 books, digest equal
#
# Exit status: 0 only if every part ran, every request was answered, and the digests are equal.
#
#   PITLINE     the binary (default: build/tools/pitline beside this script, else the one in PATH)
#   RUN_ARGS    more arguments for `pitline run`, e.g. "--threads dedicated --matchers 2"
#   LOAD_ARGS   more arguments for `pitline load`, e.g. "--rate 10000"
#   START_S     how long the pipeline may take to get ready (default 60)
set -eu

if [ $# -ne 1 ] || [ ! -r "$1" ]; then
    echo "usage: $0 FILE    (a recorded feed, plain or .xz)" >&2
    exit 2
fi
feed=$1
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${PITLINE:-}" ]; then
    PITLINE=$here/../build/tools/pitline
    [ -x "$PITLINE" ] || PITLINE=pitline
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/pitline-recorded-XXXXXX")
name=recorded-$$
pipeline=

# Whatever happens, nothing is left behind.
cleanup() {
    if [ -n "$pipeline" ]; then
        kill -KILL "$pipeline" 2>/dev/null || true
        wait "$pipeline" 2>/dev/null || true
    fi
    rm -rf "$place" "/dev/shm/pitline-$name"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "recorded-flow: $1" >&2
    exit 1
}

# shellcheck disable=SC2086 # the arguments are meant to be split
"$PITLINE" run --name "$name" --data "$place/data" --listen "unix:$place/socket" \
    --symbol BTCUSD,0.01,0.00000001 --quiet ${RUN_ARGS:-} >"$place/log" 2>&1 &
pipeline=$!

tries=$((${START_S:-60} * 10))
until grep -q '^ready:' "$place/log"; do
    if ! kill -0 "$pipeline" 2>/dev/null || [ "$tries" -eq 0 ]; then
        cat "$place/log" >&2
        fail "the pipeline did not get ready"
    fi
    tries=$((tries - 1))
    sleep 0.1
done
sed -n 's/^threads: /threads     /p' "$place/log" | head -n 1

# shellcheck disable=SC2086
"$PITLINE" load --address "unix:$place/socket" --bitstamp "$feed" --symbols BTCUSD --quiet ${LOAD_ARGS:-} \
    >"$place/load" || { cat "$place/load"; fail "load did not get all its answers"; }
cat "$place/load"

kill -TERM "$pipeline"
status=0
wait "$pipeline" || status=$?
pipeline=
if [ "$status" -ne 0 ]; then
    cat "$place/log" >&2
    fail "the pipeline stopped with status $status"
fi

"$PITLINE" replay "$place/data" --verify >"$place/replay" 2>&1 || {
    cat "$place/replay" >&2
    fail "replay --verify failed"
}
grep '^events-digest' "$place/replay" || fail "replay printed no digest"

# The live run prints the digest it stopped with; the replay must have come to the same one.
live=$(sed -n 's/.*events-digest \([0-9a-f]*\).*/\1/p' "$place/log" | tail -n 1)
again=$(sed -n 's/^events-digest \([0-9a-f]*\).*/\1/p' "$place/replay")
[ -z "$live" ] || [ "$live" = "$again" ] || fail "the live run had events-digest $live, the replay $again"

agreement=$(sed -n 's/^\([0-9]* of [0-9]* trades, [0-9]* of [0-9]* books\)$/\1/p' "$place/load")
[ -n "$agreement" ] || fail "load printed no agreement"
echo "$agreement, digest equal"
