#!/bin/bash
# Files name no path, host or person of one developer's machine.
set -u
cd "$(dirname "$0")/../.." || exit 1
git grep -nIE '/work/|/root/|/home/[a-z]|/tmp/(brief|land)|localhost\.localdomain' \
    -- ':!tests/lint/foreign.sh' ':!*.patch' && exit 1
exit 0
