#!/bin/bash
# What a newcomer does who knows only what the screen says: find the page fault
# of the teaching kernel's `crash null` (which instruction, which address, why)
# in under ten commands, on a real terminal, at the screen and at the repl.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$BUILD/tui/newcomer
mkdir -p "$work"
export XDG_CONFIG_HOME=$work XDG_STATE_HOME=$work # no settings, no history
status=0

# Steps from standard input; see viewer.c.
watch() { # NAME OPTIONS...
    "$BUILD/tests/viewer" 80x24 /dev/stdin "$BUILD/ringside" debug \
        --accel bt "${@:2}" "$BUILD/guests/teach.elf" |
        sed -E "s/^(PASS|FAIL) /\1 $1: /"
    [ "${PIPESTATUS[0]}" -eq 0 ]
}

# Eight commands: c, t, Esc, :catch, t again, c, c, ?.  The first two stops are
# pages that the kernel maps when they are first touched.
watch newcomer-screen <<'EOS' || status=1
see c continues, ? explains, h lists keys, :help commands
keys c
see guest: ringlet$
see t types to it
keys tcrash\r
see typing to the guest; Esc ends it
see guest: ringlet$
keys \e
keys :catch \t
see exception
keys \e\e
keys :catch exception #pf\r
see catchpoint, exception 0xe #PF
keys tcrash null\r
see catchpoint 1: #PF by 0x4
see which is stopped; Esc ends it, then c goes on
keys \e
keys ?
see by       0x4
see maybe    no error: many kernels map a page when it is first touched;
keys c
see address 0x4
keys c
see , address 0: read by user
keys ?
see address  0
see by       0x4000
see : mov e
see why      its P bit is clear: nothing is mapped there
see hint     the first page: a null pointer and an offset
keys q
keys q
end
EOS

# Six commands and ^C.  A ^C with nothing running leaves nothing.
watch newcomer-repl --repl <<'EOS' || status=1
see ^C stops a running guest
see (ringside)
keys foo
see (ringside) foo
keys \<C-c>
see the guest is stopped; `quit` leaves
keys c\r
see ringlet$
keys \<C-c>
see interrupted at
keys catch\r
see catch exception #pf if cr2 < 4096
keys catch exception #pf if cr2 < 4096\r
see catchpoint, exception 0xe #PF
keys type crash null\r
keys continue\r
see , address 0: read by user
keys explain\r
see by       0x4000
see : mov e
see hint     the first page: a null pointer and an offset
keys quit\r
end
EOS
exit $status
