#!/bin/bash
# Runs every test and ends with one line: N passed, N failed, N skipped.
#
#   run-all.sh [unit|guest|diff|...]...     all kinds, or those named
#
# Unit tests are cmocka programs.  Every other kind is an executable script
# tests/KIND/*.sh that prints a line for each test,
#
#   PASS name | FAIL name: what | SKIP name: why
#
# and exits non-zero if it could not do its work.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
limit=${TEST_TIMEOUT:-900} # seconds, for one program
logs=$BUILD/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
skips=()

# A script says why it skips; of a cmocka program, the tests are named in one
# line, and why is known by what they need.
collect_skips() { # NAME LOG
    local line names
    while IFS= read -r line; do
        skips+=("${line#SKIP }")
    done < <(grep '^SKIP ' "$2")
    names=$(sed -nE 's/^(not )?ok [0-9]+ # SKIP //p' "$2" | paste -sd ' ')
    [ -n "$names" ] || return 0
    case $1 in
    */kvm/*) skips+=("$1: this host's KVM cannot do it; make check-kvm can") ;;
    *) skips+=("$1: $names") ;;
    esac
}

# One program's tests, counted from its log: PASS/FAIL/SKIP lines, or TAP.
count() { # NAME STATUS LOG
    local name=$1 status=$2 log=$3 died=0 p f s
    p=$(grep -cE '^(PASS |ok [0-9]+ - )' "$log")
    s=$(grep -cE '^(SKIP |(not )?ok [0-9]+ # SKIP)' "$log")
    f=$(grep -cE '^(FAIL |not ok [0-9]+ - )' "$log")
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 died=1
        if [ "$status" -eq 124 ]; then
            echo "FAIL $name: not finished after $limit s" >>"$log"
        else
            echo "FAIL $name: ended with status $status" >>"$log"
        fi
    fi
    collect_skips "$name" "$log"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '  %-48s %4d passed' "$name" "$p"
    [ "$f" -eq 0 ] || printf ', %d FAILED' "$f"
    [ "$s" -eq 0 ] || printf ', %d skipped' "$s"
    printf '\n'
    if [ "$f" -ne 0 ]; then
        grep -E '^(FAIL |not ok [0-9]+ - )' "$log" | head -n 20 | sed 's/^/    /'
        [ "$died" -eq 0 ] || tail -n 15 "$log" | sed 's/^/    | /'
        echo "    (all of it: $log)"
    fi
}

run() { # NAME COMMAND...
    local name=$1 log
    log=$logs/$(tr / - <<<"$name").log
    shift
    CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "$limit" "$@" \
        </dev/null >"$log" 2>&1
    count "$name" $? "$log"
}

run_unit() {
    local source program
    while IFS= read -r source; do
        program=$BUILD/${source%.c}
        run "${source%.c}" "$program" # fails if it was not built
    done < <(find tests/unit -name 'test_*.c' | sort)
}

run_scripts() { # KIND
    local script
    for script in tests/"$1"/*.sh; do
        [ -x "$script" ] || continue # a file of functions is not a test
        run "${script%.sh}" "$script"
    done
}

kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(unit cli guest diff golden gdb tui replay)
for kind in "${kinds[@]}"; do
    [ -d "tests/$kind" ] || continue
    echo "$kind tests:"
    if [ "$kind" = unit ]; then
        run_unit
    else
        run_scripts "$kind"
    fi
done
if [ ${#skips[@]} -gt 0 ]; then
    echo "Skipped:"
    printf '  %s\n' "${skips[@]}" | fold -s -w 78 | sed '/^  /!s/^/    /'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
