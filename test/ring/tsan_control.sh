#!/bin/sh
# test/ring/tsan_control.sh bug|right PROGRAM under-tsan|plain - ThreadSanitizer must report the program with the seeded
# bug and must have nothing to say about the right one. Skipped (77) in builds without ThreadSanitizer.
set -u
if [ "$3" != under-tsan ]; then
    echo "skipped: this build has no ThreadSanitizer (meson setup -Db_sanitize=thread -Db_lundef=false)"
    exit 77
fi
output=$(TSAN_OPTIONS="exitcode=66 halt_on_error=0" "$2" 2>&1)
status=$?
races=$(printf '%s\n' "$output" | grep -c 'WARNING: ThreadSanitizer: data race')
echo "exit status $status, $races data races reported"
case $1 in
bug)
    [ "$status" -eq 66 ] && [ "$races" -ge 1 ] && exit 0
    echo "ThreadSanitizer did not see the seeded ordering bug: its silence about other programs means nothing"
    ;;
right)
    [ "$status" -eq 0 ] && [ "$races" -eq 0 ] && exit 0
    echo "ThreadSanitizer reports the right program:"
    ;;
*)
    echo "usage: tsan_control.sh bug|right PROGRAM under-tsan|plain"
    ;;
esac
printf '%s\n' "$output"
exit 1
