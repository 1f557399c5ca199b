#!/bin/bash
# Fetches what the guest tests need of Debian 12, into a cache outside the
# tree, without root and without adding an architecture to this system.
#
#   fetch-debian.sh [-q] [i386|amd64|boot|all]
#
# Prints the directory, which then holds
#
#   vmlinuz-686 vmlinuz-686-pae memtest.bin busybox-i386     (i386)
#   vmlinuz-amd64 busybox-amd64                              (amd64)
#   grub-floppy.img ipxe.iso ipxe.lkrn memdisk gnumach       (boot)
#   packages                       which package each came from
#
# Status: 0 all there; 69 they cannot be had now (offline); 1 anything else.
# RINGSIDE_CACHE names the cache, RINGSIDE_MIRROR another Debian mirror.
# With -q nothing is fetched: 0 if all is there, else 69.
set -euo pipefail

readonly UNAVAILABLE=69 # EX_UNAVAILABLE of sysexits.h
readonly mirror=${RINGSIDE_MIRROR:-http://deb.debian.org}
readonly cache=${RINGSIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ringside}
readonly out=$cache/debian-12
readonly log=$cache/fetch.log
work='' # made when there is something to fetch

say() {
    echo "fetch-debian: $*" >&2
}

# package | file in it (first match; unpacked if it ends in .gz) | name here
contents() { # SET
    case $1 in
    i386)
        echo 'linux-image-686     ./boot/vmlinuz-*          vmlinuz-686'
        echo 'linux-image-686-pae ./boot/vmlinuz-*          vmlinuz-686-pae'
        echo 'memtest86+          ./boot/*memtest86+*32.bin memtest.bin'
        echo 'busybox-static      ./bin/busybox             busybox-i386'
        ;;
    amd64)
        echo 'linux-image-amd64   ./boot/vmlinuz-*          vmlinuz-amd64'
        echo 'busybox-static      ./bin/busybox             busybox-amd64'
        ;;
    boot)
        echo 'grub-rescue-pc  ./usr/lib/grub-rescue/*floppy.img grub-floppy.img'
        echo 'ipxe                ./usr/lib/ipxe/ipxe.iso   ipxe.iso'
        echo 'ipxe                ./boot/ipxe.lkrn          ipxe.lkrn'
        echo 'syslinux-common ./usr/lib/syslinux/memdisk    memdisk'
        echo 'gnumach-image-1.8-486 ./boot/gnumach-*.gz     gnumach'
        ;;
    esac
}

# The architecture whose packages SET is from.
arch_of() { # SET
    case $1 in
    boot) echo i386 ;;
    *) echo "$1" ;;
    esac
}

missing() { # SET: does anything of it lack?
    local name
    while read -r _ _ name; do
        [ -s "$out/$name" ] || return 0
    done < <(contents "$1")
    return 1
}

# A private apt: its own lists, state and architecture; nothing of the host's
# but its network settings and Debian's keys.
prepare_apt() { # ARCH
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg
    local root=$cache/apt-$1 signed=

    command -v apt-get >/dev/null || {
        say "no apt-get on this system, so no Debian packages"
        exit $UNAVAILABLE
    }
    [ ! -e $keys ] || signed="[signed-by=$keys]"
    mkdir -p "$root"/{lists/partial,archives/partial,empty}
    : >"$root/status"
    cat >"$root/sources.list" <<EOF
deb $signed $mirror/debian bookworm main
deb $signed $mirror/debian bookworm-updates main
deb $signed $mirror/debian-security bookworm-security main
EOF
    apt_options=(
        -o "APT::Architecture=$1" -o "APT::Architectures=$1"
        -o "Dir::Etc::sourcelist=$root/sources.list"
        -o "Dir::Etc::sourceparts=$root/empty"
        -o "Dir::Etc::preferencesparts=$root/empty"
        -o "Dir::State=$root" -o "Dir::State::lists=$root/lists"
        -o "Dir::State::status=$root/status"
        -o "Dir::Cache=$root" -o "Dir::Cache::archives=$root/archives"
        -o "APT::Sandbox::User=" -o "Acquire::Languages=none"
        -o "Acquire::Retries=2" -o "Acquire::http::Timeout=20"
        -o "DPkg::Post-Invoke=" -o "APT::Update::Post-Invoke="
        -o "APT::Update::Post-Invoke-Success="
    )
}

# Runs a command quietly; says from its third second on what takes so long.
patiently() { # WHAT COMMAND...
    local what=$1 pid status=0 seconds=0 live=
    shift
    [ ! -t 2 ] || live=1
    "$@" >>"$log" 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        sleep 0.2
        seconds=$((seconds + 1))
        if [ $((seconds % 5)) -eq 0 ] && [ $seconds -ge 10 ]; then
            if [ -n "$live" ]; then
                printf '\r%s ... %d s ' "$what" $((seconds / 5)) >&2
            elif [ $seconds -eq 10 ]; then
                say "$what ..."
            fi
        fi
    done
    wait $pid || status=$?
    if [ -n "$live" ] && [ $seconds -ge 10 ]; then
        printf '\n' >&2
    fi
    return $status
}

# linux-image-686 is empty and depends on the kernel of the day.
resolve() { # PACKAGE
    case $1 in
    linux-image-*)
        apt-cache "${apt_options[@]}" depends "$1" 2>>"$log" |
            sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' |
            head -n 1
        ;;
    *) echo "$1" ;;
    esac
}

# One file out of a package.  The old one stays until the new one is whole.
extract() { # DEB PATTERN NAME
    dpkg-deb --fsys-tarfile "$1" >"$work/tar"
    rm -rf "$work/files"
    mkdir "$work/files"
    tar -C "$work/files" -xf "$work/tar" --wildcards "$2"
    local file
    file=$(find "$work/files" -type f | sort | head -n 1)
    [ -n "$file" ] || return 1
    case $file in
    *.gz) gunzip -c "$file" >"$out/.$3" ;;
    *) mv -f "$file" "$out/.$3" ;;
    esac
    mv -f "$out/.$3" "$out/$3"
}

fetch_package() { # ARCH PACKAGE PATTERN NAME
    local real deb
    real=$(resolve "$2")
    [ -n "$real" ] || {
        say "Debian offers no $2 for $1 now (offline?); see $log"
        return $UNAVAILABLE
    }
    rm -f "$work"/*.deb
    (cd "$work" && patiently "fetching $real ($1)" \
        apt-get "${apt_options[@]}" download "$real") || :
    deb=$(find "$work" -name '*.deb' | head -n 1)
    [ -n "$deb" ] || {
        say "$real ($1) cannot be fetched now (offline?); see $log"
        return $UNAVAILABLE
    }
    extract "$deb" "$3" "$4"
    basename "$deb" | sed "s|^|$4 |" >>"$out/packages"
}

fetch_set() { # SET
    local package pattern name arch
    arch=$(arch_of "$1")
    prepare_apt "$arch"
    # A stale index makes the refresh fail, though the rest is usable: what
    # counts is whether the packages come.
    patiently "fetching the list of Debian's $arch packages" \
        apt-get "${apt_options[@]}" update || :
    while read -r package pattern name; do
        [ -s "$out/$name" ] ||
            fetch_package "$arch" "$package" "$pattern" "$name" || return $?
    done < <(contents "$1")
}

quiet=
if [ "${1:-}" = -q ]; then
    quiet=1
    shift
fi
case ${1:-all} in
i386 | amd64 | boot) sets=("$1") ;;
all) sets=(i386 amd64 boot) ;;
*)
    say "usage: fetch-debian.sh [-q] [i386|amd64|boot|all]"
    exit 1
    ;;
esac

for set in "${sets[@]}"; do
    missing "$set" || continue
    [ -z "$quiet" ] || exit $UNAVAILABLE
    if [ -z "$work" ]; then
        mkdir -p "$out"
        work=$(mktemp -d "$cache/fetch.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        exec 8>"$cache/lock" # one at a time
        flock 8
        : >"$log"
    fi
    fetch_set "$set" || exit $?
done
echo "$out"
