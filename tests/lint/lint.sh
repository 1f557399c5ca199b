#!/bin/bash
# All that can be said of the source without running it.
#
#   lint.sh [CHECK]...      all checks, or those named
set -u
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build}
passed=0 failed=0 skipped=0

sources() { # PATTERN...  files of the project, also those not yet committed
    git ls-files -co --exclude-standard -- "$@" | while read -r f; do
        [ -f "$f" ] && echo "$f"
    done
}

check() { # NAME COMMAND...   a command that is not there is a skip
    local name=$1 start=$SECONDS out
    shift
    [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return 0
    if ! command -v "$1" >/dev/null && ! declare -F "$1" >/dev/null; then
        echo "SKIP $name: $1 is not installed (make lint-deps)"
        skipped=$((skipped + 1))
    elif out=$("$@" 2>&1); then
        echo "PASS $name ($((SECONDS - start)) s)"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        head -n 60 <<<"$out" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
}

format() {
    sources '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

shell() {
    {
        sources '*.sh' .ci/run
        sources labs/guests 'tests/*' | xargs grep -lE '^#!/bin/(ba)?sh'
    } | sort -u | xargs shellcheck -S warning
}

needs_clang_format() {
    command -v clang-format >/dev/null
}

only=("$@")
if needs_clang_format; then
    check format format
else
    check format clang-format
fi
check layers tests/lint/layers.sh
check lengths tests/lint/lengths.sh
check headers tests/lint/headers.sh
if command -v shellcheck >/dev/null; then
    check shell shell
else
    check shell shellcheck
fi
check reading-order tests/lint/reading-order.sh
check generated tests/lint/generated.sh
check links tests/lint/links.sh
check foreign tests/lint/foreign.sh
if command -v clang-tidy >/dev/null; then
    check tidy tests/lint/tidy.sh
else
    check tidy clang-tidy
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
