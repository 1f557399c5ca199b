#!/bin/bash
# Fails when an #include goes against the layer order:
#
#   base <- x86 <- mem <- { dev, accel } <- machine <- vm, debug <- the rest
#
# Each row: which files, what of Ringside they may include.  What a file may
# include is checked directly; what its headers include is their own row.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

core='vmm/(base|x86|mem|dev|accel|machine|host|view)/|vmm/(vm|vm_impl|debug|trace|exit_)'

# The first row that matches a file is its row.
rows=(
    'vmm/base/                  vmm/base/'
    'vmm/x86/                   vmm/(base|x86)/'
    'vmm/mem/                   vmm/(base|x86|mem)/'
    'vmm/dev/                   vmm/(base|x86|mem|dev)/'
    'vmm/accel/(accel|measure)  vmm/(base|x86|mem|accel)/|vmm/vm_exit.def'
    'vmm/accel/host_signal      vmm/base/|vmm/accel/host_signal.h'
    'vmm/accel/emu/             vmm/(base|x86|mem)/|vmm/accel/(accel.h|host_signal.h|emu/)'
    'vmm/accel/bt/              vmm/(base|x86|mem)/|vmm/accel/(accel.h|host_signal.h|emu/|bt/)'
    'vmm/accel/kvm/             vmm/(base|x86|mem)/|vmm/accel/(accel.h|host_signal.h|emu/|kvm/)'
    'vmm/machine/               vmm/(base|x86|mem|dev|machine)/|vmm/accel/accel.h'
    'vmm/host/                  vmm/(base|dev|host)/'
    'vmm/(main|cli)             vmm/|gdbstub/|tui/|traces/|labs/'
    "vmm/                       $core"
    'gdbstub/(packet|command)   gdbstub/|vmm/base/'
    'gdbstub/                   gdbstub/|vmm/(base|x86|host|view)/|vmm/(vm|debug(_server)?|trace|exit_[a-z]*).h|vmm/cli'
    'tui/cmd_debug              tui/|gdbstub/server.h|vmm/'
    'tui/                       tui/|vmm/(base|x86|host|view)/|vmm/(vm|debug(_server)?|trace|exit_[a-z]*).h|vmm/cli'
    'traces/                    traces/|vmm/base/|vmm/(vm|debug|trace|exit_[a-z]*).h'
)

while IFS=: read -r file line include; do
    for row in "${rows[@]}"; do
        read -r where allowed <<<"$row"
        [[ $file =~ ^$where ]] || continue
        what=${include#*\"}
        what=${what%\"*}
        [[ $what == */* ]] || what=$(dirname "$file")/$what
        if ! [[ $what =~ ^($allowed) ]]; then
            echo "$file:$line: must not include $what (only: $allowed)"
            bad=1
        fi
        break
    done
done < <(grep -rnE '^#include "' vmm gdbstub tui traces --include='*.[chS]' \
    2>/dev/null)

# Headers of the host that only one place may know.
only() { # HEADER-PATTERN WHERE
    local f
    for f in $(grep -rlE "^#include <$1" vmm gdbstub tui traces \
        --include='*.[ch]' 2>/dev/null); do
        [[ $f =~ ^$2 ]] && continue
        echo "$f: <$1 is only for $2"
        bad=1
    done
}
only 'linux/kvm.h>' 'vmm/accel/kvm/'
only 'n?curses' 'tui/term_curses.c'
only 'signal.h>' '(vmm/(host|accel)/|vmm/cli_|gdbstub/|tui/(term|repl))'
exit $bad
