#!/bin/sh
# Each public header stands alone, in C and, where there is a C++ compiler, in C++.
# usage: test_headers.sh INCLUDES C-COMPILER... (a compiler may be several words: "ccache cc")
includes=$1
shift
for header in types error client market_data; do
    printf '#include <pitline/%s.h>\n' $header |
        "$@" -std=c11 -Wall -Wextra -Werror -pedantic -I"$includes" -x c -fsyntax-only - || exit 1
done
for plus in g++ clang++; do
    command -v $plus >/dev/null || continue
    for header in types error client market_data; do
        printf '#include <pitline/%s.h>\n' $header |
            $plus -std=c++11 -Wall -Wextra -Werror -pedantic -I"$includes" -x c++ -fsyntax-only - || exit 1
    done
    exit 0
done
echo "no C++ compiler: only C was tried"
