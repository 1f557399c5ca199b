#!/bin/bash
# The tests of the KVM accelerator on a complete KVM (tests/kvm-host.sh): all
# unit programs of tests/unit/accel/kvm in one machine, then the guests.
# Ends with one line: N passed, N failed, N skipped.
#
#   check-kvm.sh [NAME...]      only those whose path contains a NAME
#
# Where there is no such machine to be had, it says why and skips.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
log=$build/test-logs/check-kvm.log
mkdir -p "$build/test-logs"

wanted() { # PATH [NAME...]
    local path=$1 name
    shift
    [ $# -gt 0 ] || return 0
    for name in "$@"; do [[ $path == *"$name"* ]] && return 0; done
    return 1
}

programs=()
while IFS= read -r source; do
    program=$build/${source%.c}
    wanted "$program" "$@" || continue
    if [ ! -x "$program" ]; then
        echo "check-kvm: $program is not built; run: make check-kvm" >&2
        exit 1
    fi
    programs+=("$program")
done < <(find tests/unit/accel/kvm -name 'test_*.c' | sort)
scripts=()
for script in tests/kvm/*.sh; do
    [ -x "$script" ] && wanted "$script" "$@" && scripts+=("$script")
done
if [ $((${#programs[@]} + ${#scripts[@]})) -eq 0 ]; then
    echo "check-kvm: no test is named so: $*" >&2
    exit 1
fi

# Runs in the machine, with busybox's sh.
inner='for p in "$@"; do
    echo "== $p"
    CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$p"
    s=$?
    [ $s -eq 0 ] || echo "== $p ended with status $s"
done'

status=0
: >"$log"
if [ ${#programs[@]} -gt 0 ]; then
    tests/kvm-host.sh "${programs[@]}" -- \
        sh -c "$inner" check-kvm "${programs[@]}" 2>&1 | tee -a "$log"
    status=${PIPESTATUS[0]}
fi
if [ "$status" -eq 0 ]; then
    for script in ${scripts[@]+"${scripts[@]}"}; do
        echo "== $script"
        BUILD=$build "$script" 2>&1 || echo "FAIL $script: status $?"
    done | tee -a "$log"
fi
if [ "$status" -eq 77 ]; then
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
passed=$(grep -cE '^(PASS |ok [0-9]+ - )' "$log")
# cmocka writes "not ok" for a skipped test.
skipped=$(grep -cE '^(SKIP |(not )?ok [0-9]+ # SKIP)' "$log")
failed=$(grep -cE '^(FAIL |not ok [0-9]+ - )' "$log")
# A program that died without a word, or a machine that did.
[ "$failed" -gt 0 ] || failed=$(grep -c '^== .* ended with status' "$log")
[ "$status" -eq 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
