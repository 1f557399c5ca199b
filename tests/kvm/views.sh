#!/bin/bash
# Views of a guest in 64-bit mode, on a complete KVM (tests/kvm-host.sh):
# instructions, walks and tables as wide as they are there.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh

dir=$BUILD/tests/kvm-views
mkdir -p "$dir"
make_long "$dir/long.img" || exit 1
cat >"$dir/commands" <<EOS
symbols $dir/long.img.elf
continue
regs
segs
disasm
walk rip
walk 0xffffffff80000000+rip
nested rip
tree
gdt
idt
tss
EOS
echo c >"$dir/keys"
KVM_HOST_TIMEOUT=${KVM_HOST_TIMEOUT:-300} tests/kvm-host.sh "$ringside" \
    "$dir" -- sh -c "$ringside debug --accel kvm --repl -m 16M \
    $dir/long.img <$dir/commands; $ringside debug --accel kvm --size 80x24 \
    --keys $dir/keys -m 16M $dir/long.img" >"$dir/out" 2>&1
status=$?
if [ $status -eq 77 ]; then
    skip kvm-views "there is no complete KVM to be had here"
    exit 0
fi

says() { # NAME REGEX
    if grep -qE -- "$2" "$dir/out"; then
        echo "PASS kvm-views-$1"
    else
        echo "FAIL kvm-views-$1: no '$2' in $dir/out"
        status=1
    fi
}

says registers '^rip +0000000000007fe6 +system_call\+0x4$'
says mode '^mode +long64, CPL 0$'
says instruction '^> +00007fe6 +system_call\+0x4 +f4 +hlt$'
says operands 'add \[rax\], al'
says walk '^PML4 +0 +0x10000 +0000000000011027 '
says walk-high '^PML4 +511 '
says references '^\(g\+1\)\(h\+1\)-1 = \(3\+1\)\(4\+1\)-1 = 19 references$'
says tree '^ffffffff80000000 +ffffffff801fffff +00000000 +2M '
says code64 '^0018 .* code64 r-x dpl 0'
says gate '^30 +vector 48 +0018:00007fe2 +system_call '
says tr '^tr .* tss64 busy dpl 0'
says tss '^rsp0 +0000000000080000$'
says screen-status '^ long64 CPL0 \| kvm \| 0x7fe6 '
says screen-code '^>> 00007fe6 hlt +rax 0000000080000004'
says screen-register ' r15 123456789abcdef0$'
says screen-flags ' rfl 0000000000000046$'
exit $status
