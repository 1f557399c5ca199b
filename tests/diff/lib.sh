# A comparison with this processor; sourced, with the tree's top as directory.
# shellcheck shell=bash

# PROGRAM of tests/diff/diff.h on DIFF_COUNT random sequences (100000), seed
# DIFF_SEED (1).
against_host() { # NAME PROGRAM
    local dir=${BUILD:-build}/tests/diff
    "$dir/$2" "$dir/native32" "${DIFF_COUNT:-100000}" "${DIFF_SEED:-1}"
    case $? in
    0) echo "PASS $1" ;;
    3) echo "SKIP $1: this host does not run 32-bit programs" ;;
    *) echo "FAIL $1: see above" ;;
    esac
}
