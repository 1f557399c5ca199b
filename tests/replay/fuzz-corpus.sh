#!/bin/bash
# What fuzzing began with and what it found, given to the same functions once.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
failed=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    inputs=(tests/fuzz/corpus/"$name"/*)
    if [ ! -e "${inputs[0]}" ]; then
        echo "SKIP replay-$name: no corpus"
    elif said=$("$build/tests/replay/$name" "${inputs[@]}" 2>&1); then
        echo "PASS replay-$name"
    else
        echo "FAIL replay-$name: $(tail -n 1 <<<"$said")"
        failed=1
    fi
done
exit $failed
