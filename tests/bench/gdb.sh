#!/bin/bash
# The gdb stub against QEMU's, in the same run with the same client: a guest
# that counts in a loop of five instructions in protected mode without paging.
# They take turns, ROUNDS times, and the middle figures are shown: one run says
# as much of the host as of the stub.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-5}
export SECONDS_EACH=${SECONDS_EACH:-0.6}
work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
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

measure() { # NAME PORT: PID's stub
    python3 tests/bench/gdb_bench.py "$2" >>"$work/$1" || cat "$work/$1.err"
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

measure_bt() {
    local port=
    "$BUILD/ringside" run --accel bt -m 64M --gdb :0 -S --serial null \
        "$work/loop.elf" 2>"$work/bt.err" &
    pid=$!
    while [ -z "$port" ] && kill -0 "$pid" 2>/dev/null; do
        sleep 0.05
        port=$(sed -n 's/^ringside: gdb: target remote .*://p' "$work/bt.err")
    done
    measure bt "$port"
}

measure_qemu() {
    local port=$((20000 + RANDOM % 20000))
    qemu-system-i386 -accel tcg -m 64 -display none -serial none -monitor none \
        -nic none -S -gdb tcp:127.0.0.1:$port -kernel "$work/loop.elf" \
        2>"$work/qemu.err" &
    pid=$!
    measure qemu "$port"
}

touch "$work/bt" "$work/qemu"
for ((round = 1; round <= ROUNDS; round++)); do
    [ ! -t 2 ] || printf '\rgdb stub: round %d of %d' "$round" "$ROUNDS" >&2
    measure_bt
    ! command -v qemu-system-i386 >/dev/null || measure_qemu
done
[ ! -t 2 ] || printf '\r%30s\r' '' >&2
echo "gdb stub, bt against QEMU's TCG (same client, same guest; middle of" \
    "$ROUNDS):"
awk 'function middle(values, n,    i, j, v) {
         for (i = 2; i <= n; i++) {
             v = values[i]
             for (j = i - 1; j > 0 && values[j] > v; j--)
                 values[j + 1] = values[j]
             values[j + 1] = v
         }
         return values[int((n + 1) / 2)]
     }
     FILENAME == ARGV[1] { qemu[$1, ++qemus[$1]] = $2; next }
     { if (!bts[$1])
           name[++names] = $1
       bt[$1, ++bts[$1]] = $2 }
     END {
         for (k = 1; k <= names; k++) {
             key = name[k]
             unit = key ~ /zeros|memory|dump/ ? "MB/s" : "/s"
             for (i = 1; i <= bts[key]; i++)
                 of_bt[i] = bt[key, i] + 0
             for (i = 1; i <= qemus[key]; i++) {
                 of_qemu[i] = qemu[key, i] + 0
                 ratio[i] = of_qemu[i] > 0 ? of_bt[i] / of_qemu[i] : 0
             }
             printf "  %-10s %14.1f %-4s", key, middle(of_bt, bts[key]), unit
             if (qemus[key])
                 printf "  QEMU %12.1f %-4s  ratio %.1f",
                     middle(of_qemu, qemus[key]), unit,
                     middle(ratio, qemus[key])
             print ""
         }
     }' "$work/qemu" "$work/bt"
