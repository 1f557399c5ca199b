#!/bin/bash
# Fuzzes every parser of foreign bytes: tests/fuzz/fuzz_*.c, each for
# FUZZ_SECONDS under libFuzzer with the address and undefined-behaviour
# sanitizers.  What was found once is kept in tests/fuzz/corpus/NAME and run
# first; NAME.dict has words that a mutation may put in.  Ends with one line:
# N passed, N failed, N skipped.
#
#   fuzz.sh [NAME]...
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-20}
passed=0 failed=0

if ! command -v clang >/dev/null; then
    echo 'SKIP fuzz: clang is not installed (make lint-deps)'
    echo '0 passed, 0 failed, 1 skipped'
    exit 0
fi
mkdir -p "$build"
sanitize='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
make -s --no-print-directory -j"$(nproc)" CC=clang BUILD="$build" WERROR= \
    OPT=-O1 SAN="$sanitize" fuzz-bins || exit 1
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    corpus=tests/fuzz/corpus/$name
    found=$build/found/$name
    mkdir -p "$found"
    inputs=("$found")
    [ ! -d "$corpus" ] || inputs+=("$corpus")
    [ ! -f "tests/fuzz/$name.dict" ] || inputs+=("-dict=tests/fuzz/$name.dict")
    echo "$name: $seconds s"
    if "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 \
        -max_len=65536 -print_final_stats=0 -artifact_prefix="$build/$name-" \
        "${inputs[@]}" >"$build/$name.log" 2>&1; then
        echo "PASS $name ($(grep -c . <(ls "$found")) inputs kept)"
        passed=$((passed + 1))
    else
        echo "FAIL $name: see $build/$name.log"
        grep -E 'ERROR|runtime error|SUMMARY|Test unit written' \
            "$build/$name.log" | head -n 5
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
