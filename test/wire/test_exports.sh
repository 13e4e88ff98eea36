#!/bin/sh
# libpitline.so exports the public names and nothing of the inside.
# usage: test_exports.sh NM LIBRARY
names=$($1 -D --defined-only "$2" | awk '$2 ~ /[TDBR]/ { sub(/@.*/, "", $3); print $3 }')
for name in pit_client_open pit_client_poll pit_decimal_format pit_md_open pit_reason_name; do
    echo "$names" | grep -qx $name || { echo "$name is not exported"; exit 1; }
done
inside=$(echo "$names" | grep -vE '^(pit_client_.*|pit_md_.*|pit_decimal_.*|pit_.*_name|__asan_.*|__odr_asan.*|__tsan.*|_init|_fini)$')
[ -z "$inside" ] || { echo "exported, and should not be:" $inside; exit 1; }
