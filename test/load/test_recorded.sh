#!/bin/sh
# The recorded feed through the real binary and the real wire: the agreement must reach what a plain price-time book
# reaches, in both groupings, and both runs must give the same events and end in the same state. Skipped (77) where the recording is absent.
#   test_recorded.sh PITLINE RECORDED-FLOW.SH FEED
set -eu
PITLINE=$1
export PITLINE
script=$2
feed=$3
if [ ! -r "$feed" ]; then
    echo "$feed is not here: skipped"
    exit 77
fi
digests=
for threads in shared dedicated; do
    RUN_ARGS="--threads $threads"
    export RUN_ARGS
    output=$("$script" "$feed")
    echo "$output"
    last=$(echo "$output" | tail -n 1)
    trades=$(echo "$last" | sed -n 's/^\([0-9]*\) of 575 trades, [0-9]* of 5011 books, digest equal$/\1/p')
    books=$(echo "$last" | sed -n 's/^[0-9]* of 575 trades, \([0-9]*\) of 5011 books, digest equal$/\1/p')
    if [ -z "$trades" ] || [ "$trades" -lt 530 ] || [ "$books" -lt 4973 ]; then
        echo "$threads: too little agreement: $last"
        exit 1
    fi
    digests="$digests $(echo "$output" | sed -n 's/^events-digest \([0-9a-f]*\) state-digest \([0-9a-f]*\).*/\1-\2/p')"
done
# shellcheck disable=SC2086 # two words are meant
set -- $digests
if [ $# -ne 2 ] || [ "$1" != "$2" ]; then
    echo "shared and dedicated differ: $digests"
    exit 1
fi
