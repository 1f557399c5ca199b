#!/bin/bash
# kvm-host.sh: run a command on a Linux that has a complete /dev/kvm.
#
#   kvm-host.sh FILE... -- COMMAND [ARG...]
#
# QEMU emulates a processor with SVM and nested paging; Debian's stock amd64
# kernel in it loads kvm-amd.  So KVM can be tested in full (protected mode,
# 32-bit paging, injection, single-step) on a machine that has none, or only a
# part of it.  It is for behaviour, not for speed: an exit costs about 70 us.
#
# Each FILE (a program, its shared libraries come along; or a directory) is put
# at the same path in the guest, where COMMAND runs in the same directory, as
# root, with busybox's commands around it.  Its output is copied as it comes.
#
# Exit status: COMMAND's own;
#    77  skipped: this machine lacks QEMU, or the kernel cannot be fetched
#   124  not finished in KVM_HOST_TIMEOUT seconds (600)
#   125  the machine died: its last words are printed
#     2  wrong use
#
# KVM_HOST_NPT=0: KVM shadows the guest's page tables instead of nesting them.
# A guest with PAE needs that here: QEMU's nested walk sets the accessed bit in
# page-directory-pointer entries, where it is reserved, and KVM then refuses
# them.  KVM_HOST_MEM: MiB of memory (1024).  The kernel is fetched once, as a Debian
# package, into ${XDG_CACHE_HOME:-~/.cache}/ringside; after that nothing is
# downloaded.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ringside
mem=${KVM_HOST_MEM:-1024}
limit=${KVM_HOST_TIMEOUT:-600}
work=

say() { echo "kvm-host: $*" >&2; }
skip() {
    say "skipped: $*"
    exit 77
}
cleanup() { [ -z "$work" ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- Debian's packages, unpacked in the cache ------------------------------

# Package lists of our own, where the system has none (or is no Debian host's
# default architecture).
apt_dir=$cache/apt
private_apt() {
    mkdir -p "$apt_dir"/{state/lists/partial,cache/archives/partial}
    apt_opts=(-o "Dir::State=$apt_dir/state" -o "Dir::Cache=$apt_dir/cache"
        -o "Dir::State::status=/dev/null" -o APT::Architecture=amd64
        -o APT::Architectures=amd64 -o APT::Sandbox::User=)
}
apt_opts=()

# unpack NAME: downloads and unpacks the package into $cache/NAME.
unpack() {
    local name=$1 tmp
    [ -e "$cache/$name/.complete" ] && return 0
    tmp=$(mktemp -d "$cache/.unpack.XXXXXX")
    if (cd "$tmp" && timeout 300 apt-get "${apt_opts[@]}" download -q "$name" \
        >log 2>&1 && dpkg-deb -x ./*.deb . && rm -f ./*.deb log); then
        touch "$tmp/.complete"
        rm -rf "${cache:?}/$name"
        mv "$tmp" "$cache/$name"
    else
        rm -rf "$tmp"
        return 1
    fi
}

kernel_name() {
    apt-cache "${apt_opts[@]}" depends linux-image-amd64 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1
}

# Sets $kernel to the package's name.  A kernel that is in the cache is used
# for ever: the tests do not need the newest.
get_kernel() {
    local dir
    for dir in "$cache"/linux-image-*-amd64/.complete; do
        [ -e "$dir" ] || continue
        kernel=$(basename "$(dirname "$dir")")
        return 0
    done
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        skip "no apt-get here to fetch a Debian kernel with"
    kernel=$(kernel_name)
    [ -n "$kernel" ] && unpack "$kernel" && return 0
    private_apt
    timeout 300 apt-get "${apt_opts[@]}" -q update >/dev/null 2>&1 || true
    kernel=$(kernel_name)
    [ -n "$kernel" ] && unpack "$kernel" && return 0
    skip "cannot fetch Debian's amd64 kernel (is there a network?)"
}

get_busybox() {
    [ -e "$cache/busybox-static/.complete" ] && return 0
    unpack busybox-static && return 0
    private_apt
    timeout 300 apt-get "${apt_opts[@]}" -q update >/dev/null 2>&1 || true
    unpack busybox-static || skip "cannot fetch busybox-static"
}

# ---- the initramfs ---------------------------------------------------------

# put PATH: copies it to the same place below $root, links resolved.
put() {
    [ -e "$root$1" ] && return 0
    mkdir -p "$root$(dirname "$1")"
    cp -aL "$1" "$root$1"
}

put_file() {
    local path lib
    path=$(realpath -e "$1") || { say "no such file: $1"; exit 2; }
    put "$path"
    [ -f "$path" ] || return 0
    { ldd "$path" 2>/dev/null || true; } | grep -o '/[^ ]*' |
        while read -r lib; do put "$lib"; done || true
}

put_modules() {
    local dir=$cache/$kernel/lib/modules/${kernel#linux-image-}/kernel m
    mkdir -p "$root/m"
    for m in virt/lib/irqbypass drivers/crypto/ccp/ccp arch/x86/kvm/kvm \
        arch/x86/kvm/kvm-amd; do
        if [ -e "$dir/$m.ko" ]; then
            cp "$dir/$m.ko" "$root/m/"
        elif [ -e "$dir/$m.ko.xz" ]; then
            xz -dc "$dir/$m.ko.xz" >"$root/m/$(basename "$m").ko"
        elif [ -e "$dir/$m.ko.zst" ]; then
            zstd -qdc "$dir/$m.ko.zst" >"$root/m/$(basename "$m").ko"
        fi
    done
}

make_root() {
    root=$work/root
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,root,m} "$root$PWD"
    cp "$cache/busybox-static/bin/busybox" "$root/bin/"
    put_modules
    printf '%q ' "$@" >"$root/command"
    printf '%s' "$PWD" >"$root/cwd"
    echo "${KVM_HOST_NPT:-1}" >"$root/npt"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
for m in irqbypass ccp kvm; do
    [ -e "/m/$m.ko" ] && insmod "/m/$m.ko"
done
insmod /m/kvm-amd.ko "npt=$(cat /npt)"
ifconfig lo 127.0.0.1 2>/dev/null
cd "$(cat /cwd)"
echo KVM-HOST-BEGIN
sh /command </dev/null 2>&1
echo KVM-HOST-END $?
poweroff -f
INIT
    chmod +x "$root/init"
}

# ---- the run ---------------------------------------------------------------

# Copies what is between the marks, line by line; the status goes to FILE.
between_marks() {
    tr -d '\r' | awk -v file="$1" '
        /^KVM-HOST-BEGIN$/ { on = 1; next }
        on && match($0, /KVM-HOST-END [0-9]+$/) {
            if (RSTART > 1) print substr($0, 1, RSTART - 1)
            print substr($0, RSTART + 13) > file
            exit
        }
        on { print; fflush() }'
}

# A periodic tick: that QEMU loses one of the machine's own timer interrupts now
# and then while a guest runs, and with one-shot timers none follows.
run_machine() {
    local kdir=$cache/$kernel/boot status=0
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) \
        >"$work/initramfs.gz"
    timeout "$limit" qemu-system-x86_64 -m "$mem" -nodefaults -display none \
        -accel tcg -cpu qemu64,+svm,+npt,+nrip-save,+vgif,+flushbyasid \
        -kernel "$kdir/vmlinuz-${kernel#linux-image-}" \
        -initrd "$work/initramfs.gz" -no-reboot \
        -append "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off \
            highres=off nohz=off" \
        -chardev stdio,id=c,signal=off,logfile="$work/console" \
        -serial chardev:c </dev/null 2>"$work/qemu" |
        between_marks "$work/status" || true
    status=${PIPESTATUS[0]}
    if [ -s "$work/status" ]; then
        exit "$(cat "$work/status")"
    fi
    if [ "$status" = 124 ]; then
        say "not finished after $limit s (KVM_HOST_TIMEOUT)"
        exit 124
    fi
    say "the machine ended before the command did; its last words:"
    tr -d '\r' <"$work/console" 2>/dev/null | tail -n 15 >&2 || true
    tail -n 5 "$work/qemu" >&2
    exit 125
}

files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    files+=("$1")
    shift
done
if [ $# -lt 2 ]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
fi
shift
for tool in qemu-system-x86_64 cpio gzip; do
    command -v "$tool" >/dev/null ||
        skip "no $tool (apt-get install qemu-system-x86 cpio)"
done
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
get_kernel
get_busybox
flock -u 9
exec 9>&-
work=$(mktemp -d "${TMPDIR:-/tmp}/kvm-host.XXXXXX")
make_root "$@"
for f in "${files[@]}"; do put_file "$f"; done
run_machine
