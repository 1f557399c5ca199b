#!/bin/bash
# The translator, with its blocks checked, against this processor: DIFF_COUNT random
# sequences (100000), seed DIFF_SEED (1).
cd "$(dirname "$0")/../.." || exit 1
dir=${BUILD:-build}/tests/diff
name="bt equals the host"

"$dir/diff_bt" "$dir/native32" "${DIFF_COUNT:-100000}" "${DIFF_SEED:-1}"
case $? in
0) echo "PASS $name" ;;
3) echo "SKIP $name: this host does not run 32-bit programs" ;;
*) echo "FAIL $name: see above" ;;
esac
