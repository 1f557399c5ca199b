#!/bin/bash
# What the screen costs: the guest's speed while nobody types, and how soon
# after a stop it is painted, with the symbols of a large kernel.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # NAME: $work/NAME.elf
    gcc -m32 -g -nostdlib -static -no-pie -Wl,--build-id=none \
        -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-e,start \
        -Wl,-Ttext-segment=0x100000 "$work/$1.S" -o "$work/$1.elf"
}

# 12,000 million instructions, a port write now and then, then the end.
cat >"$work/loop.S" <<'ASM'
    .globl start
start:
    mov $6, %ebx
1:  mov $1000000000, %ecx
2:  dec %ecx
    jnz 2b
    out %al, $0x80
    dec %ebx
    jnz 1b
    out %eax, $0xf4
ASM
{
    printf '    .globl start\nstart: call f50000\n    jmp start\n'
    for ((i = 0; i < 100000; i++)); do
        printf 'f%d: nop\n    ret\n    .size f%d, . - f%d\n' $i $i $i
    done
} >"$work/many.S"
build loop && build many || exit 1
echo "the screen, 190x50:"
python3 tests/bench/screen_bench.py "$BUILD/ringside" "$work/loop.elf" \
    "$work/many.elf"
