#!/bin/bash
# Every lesson, played to its end in tmux; and README's picture of a session
# is the one that its lesson takes.
set -u
cd "$(dirname "$0")/../.." || exit 1
pictures=$(mktemp -d)
trap 'rm -rf "$pictures"' EXIT
export XDG_STATE_HOME=$pictures # nobody's history, nobody's other runs
status=0

if ! command -v tmux >/dev/null; then
    echo "SKIP lessons: tmux is not installed (make test-deps)"
    exit 0
fi
for lesson in course-notes/lessons/*.txt; do
    tools/lesson.sh --check "$pictures" "$lesson" || status=1
done

# Addresses and counts are the compiler's.
shape() {
    sed -E 's/[0-9a-f]{4,}/#/g; s/ +$//' "$1"
}

sed -n '/^     prot32 CPL0 | bt | trap_stub_14/,/^     *s:step/s/^    //p' \
    README.md >"$pictures/readme"
if diff -u <(shape "$pictures/readme") <(shape "$pictures/page-fault.txt"); then
    echo "PASS lesson: README's picture"
else
    echo "FAIL lesson: README's picture is not page-fault.txt as it is now"
    status=1
fi
exit $status
