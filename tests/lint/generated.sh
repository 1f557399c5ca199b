#!/bin/bash
# course-notes/generated/ is what the tables say now (else: make docs).
set -u
cd "$(dirname "$0")/../.." || exit 1
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"${BUILD:-build}/ringside" gen-docs "$new" || exit 1
bad=0
for page in "$new"/*.md; do
    diff -u "course-notes/generated/$(basename "$page")" "$page" | head -n 20
    [ "${PIPESTATUS[0]}" -eq 0 ] || bad=1
done
[ "$bad" -eq 0 ] || echo "run 'make docs' and commit course-notes/generated"
man --warnings -E UTF-8 -l "$new/ringside.1" 2>&1 >/dev/null | grep . && bad=1
bash -n "$new/ringside.bash" || bad=1
exit $bad
