#!/bin/bash
# The gdb stub against QEMU's, in the same run with the same client: a guest
# that counts in a loop of five instructions in protected mode without paging.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
pids=()
cleanup() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

# The loop is at 7c0ah once in protected mode; see loop.S in this script.
cat >"$work/loop.S" <<'ASM'
    .code32
    .section .text
    .globl _start
_start:
    cli
    xor %ecx, %ecx
    mov $0x100000, %esi
    nop
    nop
1:  inc %ecx                # 7c0a
    mov (%esi), %eax
    add $3, %eax
    .org 0x10, 0x90
2:  nop                     # 7c10: the breakpoint with a false condition
    jmp 1b
ASM
cat >"$work/mb.S" <<'ASM'
    .section .mb, "a"
    .long 0x1badb002, 3, -(0x1badb002 + 3)
ASM
cat >"$work/loop.ld" <<'LD'
ENTRY(_start)
SECTIONS { . = 0x7c00; .text : { *(.text) } . = 0x8000; .mb : { *(.mb) } }
LD
gcc -m32 -c -o "$work/loop.o" "$work/loop.S" &&
    gcc -m32 -c -o "$work/mb.o" "$work/mb.S" &&
    ld -m elf_i386 -z max-page-size=16 -T "$work/loop.ld" -o "$work/loop.elf" \
        "$work/loop.o" "$work/mb.o" || exit 1

"$BUILD/ringside" run --accel bt -m 64M --gdb :0 -S --serial null \
    "$work/loop.elf" 2>"$work/bt.err" &
pids+=($!)
port=
while [ -z "$port" ] && kill -0 "${pids[-1]}" 2>/dev/null; do
    sleep 0.05
    port=$(sed -n 's/^ringside: gdb: target remote .*://p' "$work/bt.err")
done
python3 tests/bench/gdb_bench.py "$port" >"$work/bt" || cat "$work/bt.err"
if command -v qemu-system-i386 >/dev/null; then
    port=$((20000 + RANDOM % 20000))
    qemu-system-i386 -accel tcg -m 64 -display none -serial none -monitor none \
        -nic none -S -gdb tcp:127.0.0.1:$port -kernel "$work/loop.elf" \
        2>"$work/qemu.err" &
    pids+=($!)
    python3 tests/bench/gdb_bench.py $port >"$work/qemu" || cat "$work/qemu.err"
fi
touch "$work/qemu"
echo "gdb stub, bt against QEMU's TCG (same client, same guest):"
awk 'FILENAME == ARGV[1] { qemu[$1] = $2; next }
    { unit = $1 ~ /zeros|memory|dump/ ? "MB/s" : "/s"
      printf "  %-10s %14.1f %-4s", $1, $2, unit
      if (qemu[$1] > 0)
          printf "  QEMU %12.1f %-4s  ratio %.1f", qemu[$1], unit, $2 / qemu[$1]
      print "" }' "$work/qemu" "$work/bt"
