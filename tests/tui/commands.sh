#!/bin/bash
# Every command and view in the three places where it can be typed.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
if ! command -v python3 >/dev/null; then
    echo "SKIP commands: no python3"
    exit 0
fi
mkdir -p "$BUILD/tui"
exec python3 tests/tui/commands.py "$BUILD/ringside" \
    "$BUILD/guests/golden.elf" "$BUILD/tui"
