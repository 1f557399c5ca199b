#!/bin/sh
# mkimage.sh CC BOOTSECT.S FLAT ELF OUT: a bootable disk image of whole
# sectors, the boot sector first, the flat kernel behind it.
set -eu
cc=$1 source=$2 flat=$3 elf=$4 out=$5

sectors=$((($(stat -c %s "$flat") + 511) / 512))
entry=$(readelf -h "$elf" | sed -n 's/.*Entry point address: *//p')
# shellcheck disable=SC2086 # CC carries options
$cc -c -DKERNEL_SECTORS="$sectors" -DENTRY_OFFSET=$((entry - 0x100000)) \
    -o "$out.o" "$source"
ld -m elf_i386 -Ttext 0x7C00 --oformat binary -o "$out" "$out.o"
rm -f "$out.o"
[ "$(stat -c %s "$out")" -eq 512 ] || {
    echo "mkimage.sh: the boot sector is not 512 bytes" >&2
    exit 1
}
cat "$flat" >>"$out"
truncate -s $(((sectors + 1) * 512)) "$out"
