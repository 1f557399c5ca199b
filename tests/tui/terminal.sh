#!/bin/bash
# The screen through a real terminal: what ncurses paints on a terminal
# emulator must be, cell by cell, what the golden tests see on the surface.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
screens=tests/golden/screens

# Steps from standard input; see viewer.c.
watch() { # NAME SIZE
    "$BUILD/tests/viewer" "$2" /dev/stdin "$BUILD/ringside" debug --accel bt \
        -m 16M "$BUILD/guests/golden.elf" | sed -E "s/^(PASS|FAIL) /\1 $1: /"
    [ "${PIPESTATUS[0]}" -eq 0 ]
}

status=0
watch class 80x24 <<EOS || status=1
keys \\<Home>
show $screens/start-80x24.txt
keys :break page_fault\r
see 1: breakpoint
keys c
show $screens/fault-80x24.txt
keys :frobnicate\r
see no command 'frobnicate'
keys q
end
EOS

watch desk 120x40 <<EOS || status=1
keys \\<Home>
show $screens/start-120x40.txt
keys :quit\r
end
EOS

watch wall 190x50 <<EOS || status=1
keys \\<Home>
show $screens/start-190x50.txt
keys :break page_fault\rc
see breakpoint | 5380 insns
keys :walk cr2\r\t\t\tvpoints\r
show $screens/fault-190x50.txt
keys q
end
EOS
exit $status
