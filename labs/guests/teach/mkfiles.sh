#!/bin/sh
# Writes the assembly source of the kernel's file table (files.c) for the
# files named as arguments.
set -eu

echo '.section .rodata'
echo '.global file_table'
echo '.balign 4'
echo 'file_table:'
i=0
for path; do
    echo "    .long name_$i, start_$i, end_$i"
    i=$((i + 1))
done
echo '    .long 0, 0, 0'
i=0
for path; do
    echo "name_$i: .asciz \"$(basename "$path")\""
    echo '.balign 16'
    echo "start_$i: .incbin \"$path\""
    echo "end_$i:"
    i=$((i + 1))
done
echo '.section .note.GNU-stack, "", @progbits'
