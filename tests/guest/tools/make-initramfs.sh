#!/bin/bash
# Builds an initramfs of one busybox: to a shell on the console.
#
#   make-initramfs.sh BUSYBOX OUT
#
# No root is needed: the kernel brings its own /dev/console.  Equal inputs
# give equal bytes.  In the guest, `poweroff` switches off through ACPI, or
# reboots where there is no ACPI; so does the end of the shell.
set -euo pipefail

if [ $# -ne 2 ] || [ ! -s "$1" ]; then
    echo "usage: make-initramfs.sh BUSYBOX OUT" >&2
    exit 1
fi
busybox=$(realpath "$1")
out=$(realpath "$2")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,etc,root}
cp "$busybox" "$root/bin/busybox"
chmod 755 "$root/bin/busybox"

cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin HOME=/root TERM=linux PS1='guest# ' ENV=/etc/shrc
. /etc/shrc
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
read -r up _ </proc/uptime
echo
echo "initramfs: Linux $(uname -r) on $(uname -m), a shell on the console"
for word in $(cat /proc/cmdline); do
    case $word in
    uptime) echo "initramfs: up $up s" ;;
    run=*) sh -c "$(echo "${word#run=}" | tr , ' ')" && poweroff ;;
    esac
done
cd /root
setsid cttyhack sh
poweroff
EOF

# busybox's poweroff would ask an init that is not there.
cat >"$root/etc/shrc" <<'EOF'
poweroff() {
    sync
    [ ! -d /sys/firmware/acpi/tables ] || busybox poweroff -f
    busybox reboot -f
}
EOF
chmod 755 "$root/init"

find "$root" -exec touch -h -d @0 {} +
cd "$root"
find . | LC_ALL=C sort |
    cpio --quiet -o -H newc -R 0:0 --reproducible >"$out.tmp"
mv -f "$out.tmp" "$out"
