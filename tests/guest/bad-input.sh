#!/bin/bash
# What nobody should hand to a monitor, but somebody will: each must end with
# one clear line and its status (vmm/exit_status.def), never with a signal.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

readonly USAGE=2 SETUP=4 TRIPLE_FAULT=6 RESET=8 HALTED=10 MAX_INSNS=12 TIMEOUT=14
teach=$BUILD/guests/teach.elf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- files ----------------------------------------------------------------

# Bytes at an offset of a file that is there: HEX without blanks.
poke() { # FILE OFFSET HEX
    local hex=$3 bytes=
    for (( ; ${#hex} >= 2; )); do
        bytes+=\\x${hex:0:2}
        hex=${hex:2}
    done
    printf '%b' "$bytes" |
        dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}

le32() { # NUMBER
    printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) \
        $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

# A boot sector of CODE, in hexadecimal.
boot_sector() { # NAME HEX
    truncate -s 512 "$work/$1"
    poke "$work/$1" 0 "$2"
    poke "$work/$1" 510 55aa
}

# A 32-bit ELF of one segment, which is one page in the file at 1000h.
elf() { # NAME ENTRY PADDR FILESZ MEMSZ OFFSET
    local f=$work/$1
    truncate -s 8192 "$f"
    poke "$f" 0 7f454c4601010100
    poke "$f" 16 "02000300$(le32 1)$(le32 "$2")$(le32 52)$(le32 0)$(le32 0)"
    poke "$f" 40 340020000100280000000000
    poke "$f" 52 "$(le32 1)$(le32 "$6")$(le32 "$3")$(le32 "$3")"
    poke "$f" 68 "$(le32 "$4")$(le32 "$5")$(le32 7)$(le32 4096)"
    poke "$f" 4096 f4ebfd # hlt; jmp .-1
}

# The header of a bzImage that ends after BYTES.
bzimage() { # NAME BYTES
    truncate -s 32768 "$work/$1"
    poke "$work/$1" 0x1f1 04
    poke "$work/$1" 0x1f4 "$(le32 4096)"
    poke "$work/$1" 0x1fe 55aaeb6a48647253
    poke "$work/$1" 0x206 0f02
    poke "$work/$1" 0x211 01
    truncate -s "$2" "$work/$1"
}

bzimage bz-header-only 520
bzimage bz-no-setup 1500
bzimage bz-short-kernel 4000
bzimage bz-64-bit 32768
poke "$work/bz-64-bit" 0x236 01
: >"$work/empty"
head -c 3000 "$teach" >"$work/teach-truncated"
elf elf-past-ram 0xF0000000 0xF0000000 4096 4096 4096
elf elf-wraps 0x100000 0xFFFFF800 4096 4096 4096
elf elf-huge 0x100000 0x100000 4096 0xFFFFFFFF 4096
elf elf-no-bytes 0x100000 0x100000 4096 4096 0x7FFFFFFF
elf elf-entry-nowhere 0xE0000000 0x100000 4096 4096 4096
elf elf-jump-nowhere 0x100000 0x100000 4096 4096 4096
poke "$work/elf-jump-nowhere" 4096 b8000000e0ffe0 # mov $E0000000h, %eax; jmp *%eax
elf elf-file-larger 0x100000 0x100000 4096 16 4096
elf elf-headers-wild 0x100000 0x100000 4096 4096 4096
poke "$work/elf-headers-wild" 28 "$(le32 0x7FFFFFF0)"
elf elf-many-headers 0x100000 0x100000 4096 4096 4096
poke "$work/elf-many-headers" 44 ffff
truncate -s 8M "$work/large-flat"
cp "$teach" "$work/large-elf"
truncate -s 8M "$work/large-elf"
truncate -s 513 "$work/odd-disk"
truncate -s 100M "$work/large-initrd"
boot_sector triple 31c08ed80f011e207ccc # LIDT of zeroes, INT3
boot_sector long-mode 31c08ed80f011e207c66b9800000c00f3280cc010f30ebfe # EFER.LME
boot_sector halted faf4                 # CLI, HLT
# CPUID 80000001h, CLI, HLT; in the second one a million turns before that
boot_sector asks-64-bit 66b8010000800fa2faf4
boot_sector asked-64-bit-before 66b8010000800fa266b940420f006649 # MOV $1000000, %ecx
poke "$work/asked-64-bit-before" 16 75fcfaf4
boot_sector nowhere eaf0ffffff          # JMP FFFF:FFF0
boot_sector loop ebfe                   # JMP .
boot_sector reset b0fee664ebfe          # FEh to port 64h: pulse the reset line
boot_sector exit41 b014e6f4ebfe         # 14h to port F4h

# ---- cases ----------------------------------------------------------------

# name | status (or several: A/B) | what the message must hold (a regular expression) | options
# In the options @ is where the files are.
cases=(
    "no-guest-at-all|$USAGE|GUEST|"
    "guest-missing|$SETUP|@/none.*No such file|@/none"
    "guest-is-a-directory|$SETUP|directory|@"
    "guest-empty|$SETUP|@/empty|@/empty"
    "bzimage-header-only|$SETUP|bz-header-only|@/bz-header-only"
    "bzimage-without-setup|$SETUP|bz-no-setup|@/bz-no-setup"
    "bzimage-truncated|$SETUP|bz-short-kernel|@/bz-short-kernel"
    "bzimage-of-64-bits|$SETUP|bz-64-bit.*--accel kvm|@/bz-64-bit"
    "multiboot-truncated|$SETUP|teach-truncated|@/teach-truncated"
    "elf-outside-ram|$SETUP|elf-past-ram.*link it|@/elf-past-ram"
    "elf-wraps-around|$SETUP|elf-wraps|@/elf-wraps"
    "elf-huge-segment|$SETUP|elf-huge|@/elf-huge"
    "elf-segment-past-file|$SETUP|elf-no-bytes|@/elf-no-bytes"
    "elf-entry-nowhere|$SETUP|elf-entry-nowhere|@/elf-entry-nowhere"
    "elf-file-larger-than-memory|$SETUP|elf-file-larger|@/elf-file-larger"
    "elf-headers-past-file|$SETUP|elf-headers-wild|@/elf-headers-wild"
    "elf-too-many-headers|$SETUP|elf-many-headers|@/elf-many-headers"
    "elf-larger-than-ram|$SETUP|large-elf.*more with -m|-m 4M @/large-elf"
    "guest-larger-than-ram|$SETUP|large-flat|-m 4M @/large-flat"
    "initrd-missing|$SETUP|none|--initrd @/none $teach"
    "initrd-larger-than-ram|$SETUP|large-initrd|-m 32M --initrd @/large-initrd $teach"
    "disk-missing|$SETUP|none|--disk @/none $teach"
    "disk-of-odd-size|$SETUP|odd-disk|--disk @/odd-disk $teach"
    "memory-zero|$USAGE|0|-m 0 $teach"
    "memory-negative|$USAGE|-5|-m -5 $teach"
    "memory-nonsense|$USAGE|12Q|-m 12Q $teach"
    "memory-too-large|$USAGE|4G|-m 4G $teach"
    "memory-overflows|$USAGE|99999999999999999999|-m 99999999999999999999 $teach"
    "option-unknown|$USAGE|frobnicate|--frobnicate $teach"
    "accelerator-unknown|$USAGE|warp|--accel warp $teach"
    "serial-unknown|$USAGE|carrier|--serial carrier $teach"
    "triple-fault|$TRIPLE_FAULT|[Tt]riple fault|--no-reboot @/triple"
    "long-mode|$TRIPLE_FAULT|64-bit.*--accel kvm|@/long-mode"
    "triple-faults-for-ever|$TIMEOUT|reset by a triple fault at|--timeout 1 @/triple"
    "jump-past-ram|$TRIPLE_FAULT|[Tt]riple fault|--no-reboot @/elf-jump-nowhere"
    "jump-into-the-void|$TRIPLE_FAULT/$TIMEOUT||--timeout 1 --no-reboot @/nowhere"
    "halted|$HALTED|HLT.*ringside debug|@/halted"
    "halted-for-64-bits|$HALTED|no 64-bit mode; if that is why, try --accel kvm|@/asks-64-bit"
    "halted-long-after|$HALTED|HLT.*ringside debug|@/asked-64-bit-before"
    "reset|$RESET|reset|--no-reboot @/reset"
    "resets-for-ever|$TIMEOUT||--timeout 1 @/reset"
    "debug-exit|41||@/exit41"
    "max-insns|$MAX_INSNS||--max-insns 100000 @/loop"
    "timeout|$TIMEOUT||--timeout 1 @/loop"
)

run_case() { # ACCEL ROW
    local accel=$1 name status message options actual=0 out why=
    IFS='|' read -r name status message options <<<"$2"
    name=bad-$name-$accel
    [[ $name =~ $only ]] || return
    if [ "$accel" != bt ] && [[ $options =~ max-insns|64-bit|long-mode ]]; then
        return # bt's alone
    fi
    message=${message//@/$work}
    out=$logs/$name.out
    # shellcheck disable=SC2086 # options are words
    timeout -k 5 30 "$ringside" run --accel "$accel" --serial null \
        ${options//@/$work} </dev/null >"$out" 2>&1 || actual=$?
    if ! [[ $actual =~ ^(${status//\//|})$ ]]; then
        why="status $actual, not $status"
    elif grep -q 'Sanitizer\|runtime error\|Assertion' "$out"; then
        why="a sanitizer or an assertion has spoken"
    elif [ -n "$message" ] && ! grep -qE -- "$message" "$out"; then
        why="the message does not say \"$message\""
    elif [ "$actual" -le 4 ] && [ "$(wc -l <"$out")" -gt 1 ]; then
        why="more than a line"
    fi
    if [ -n "$why" ]; then
        fail "$name" "$why: $(head -n 1 "$out")"
    else
        pass "$name"
    fi
}

for accel in ${ACCELS:-bt kvm}; do
    lacks=$(accel_lacks "$accel")
    if [ -n "$lacks" ]; then
        skip "bad-input-$accel" "$lacks"
        continue
    fi
    for row in "${cases[@]}"; do
        run_case "$accel" "$row"
    done
done
[ "$failed" -eq 0 ]
