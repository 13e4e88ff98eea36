#!/bin/sh
# purity.sh NM ARCHIVE INSTRUMENTED - the book's objects may need each other, memory and string functions, nothing else:
# no clock, no I/O, no allocation, no floating point library.
set -eu
nm=$1 archive=$2 instrumented=$3
if [ "$instrumented" = yes ]; then
    echo "sanitizers or coverage add calls of their own: the objects of a plain build say more"
    exit 77
fi
allowed='mem(cpy|move|set|cmp)|bcmp|str(len|nlen|cmp|ncmp)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(memcpy|memmove|memset)_chk'
symbols=$("$nm" "$archive")
foreign=$(printf '%s\n' "$symbols" | awk -v allowed="^($allowed)\$" '
    NF == 3 { defined[$3] = 1; count++ }
    NF == 2 && $1 == "U" { needed[$2] = 1 }
    END {
        for (name in needed)
            if (!(name in defined) && name !~ allowed)
                print name
        if (count < 10)
            print "(almost nothing is defined: is this the archive?)"
    }')
if [ -n "$foreign" ]; then
    echo "the book calls:" $foreign
    exit 1
fi
