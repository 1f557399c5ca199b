#!/bin/bash
# The screen through a real terminal: what ncurses paints on a terminal
# emulator must be, cell by cell, what the golden tests see on the surface.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
screens=tests/golden/screens
XDG_STATE_HOME=$(mktemp -d) # nobody's history, nobody's other runs
export XDG_STATE_HOME
trap 'rm -rf "$XDG_STATE_HOME"' EXIT

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

# Whatever size the window had in between, no cell of it stays.
resizes() { # SIZE...: each is as it is from the start
    local size
    for size in "$@"; do
        echo "size $size"
        echo "show $screens/start-$size.txt"
    done
}

watch resize 80x24 <<EOS || status=1
keys \\<Home>
show $screens/start-80x24.txt
$(resizes 1x1 20x6 300x100 2x40 80x24 120x40 190x50 80x24 190x50 1x1 300x100 \
    120x40 20x6 80x24)
keys :break page_fault\rc
show $screens/fault-80x24.txt
size 2x40
size 190x50
size 80x24
show $screens/fault-80x24.txt
keys q
end
EOS

watch resize-wall 190x50 <<EOS || status=1
keys :break page_fault\rc
see breakpoint | 5380 insns
keys :walk cr2\r\t\t\tvpoints\r
show $screens/fault-190x50.txt
size 80x24
see page walk
size 1x1
size 120x40
size 190x50
show $screens/fault-190x50.txt
keys q
end
EOS

# The mouse does what the keys of these screens do.
watch mouse 80x24 <<EOS || status=1
see start:
mouse 60,3 click
show $screens/focus-80x24.txt
mouse 30,18 down
show $screens/wheel-80x24.txt
mouse 60,3 click
see >edx
mouse 60,3 up
see >eax
keys h
see Keys (Up and Down scroll
mouse 60,3 down
see 2 to
keys qq
end
EOS
exit $status
