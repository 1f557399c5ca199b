# Functions of the guest tests; sourced, with the tree's top as directory.
# shellcheck shell=bash disable=SC2034

BUILD=${BUILD:-build}
ringside=$BUILD/ringside
typist=$BUILD/tests/typist
scripts=tests/guest/scripts
logs=$BUILD/guest-logs
mkdir -p "$logs"
# Only some cases: a regular expression on their names.
only=${ONLY:-.}
failed=0

pass() { # NAME
    echo "PASS $1"
}

fail() { # NAME WHY
    echo "FAIL $1: $2"
    failed=$((failed + 1))
}

skip() { # NAME WHY
    echo "SKIP $1: $2"
}

# Why ACCEL cannot run guests on this host; nothing if it can.  Guests that stay
# in real mode want less of KVM.
accel_lacks() { # ACCEL [real]
    case $1 in
    bt) ;;
    kvm)
        if [ ! -w /dev/kvm ]; then
            echo "no /dev/kvm that may be used"
        elif [ "${2:-}" = real ]; then
            kvm_has '"realmode":true' || echo "this host's KVM has no real mode"
        elif ! kvm_has '"complete":true'; then
            echo "this host's KVM is not complete; make check-kvm brings one"
        fi
        ;;
    esac
}

kvm_has() { # WHAT, as `ringside doctor --json` says it, but without blanks
    "$ringside" doctor --json 2>/dev/null | tr -d ' \n' | grep -q "$1"
}

# Sees to it that Debian's files are there; why they are not, if so.
debian_lacks() { # SET...
    local set
    for set in "$@"; do
        bash tests/guest/tools/fetch-debian.sh "$set" >/dev/null \
            2>"$logs/fetch.log" || {
            tail -n 1 "$logs/fetch.log" | sed 's/^fetch-debian: //'
            return
        }
    done
}

debian_dir() { # SET
    bash tests/guest/tools/fetch-debian.sh -q "$1"
}

initramfs() { # ARCH
    [ -s "$BUILD/initramfs-$1" ] ||
        bash tests/guest/tools/make-initramfs.sh "$(debian_dir "$1")/busybox-$1" \
            "$BUILD/initramfs-$1"
}

# A disk for a boot loader that reads tar: Debian's kernel and an initramfs.
boot_tar() { # the directory of debian_dir
    { [ -s "$BUILD/boot.tar" ] &&
        ! [ "$BUILD/initramfs-i386" -nt "$BUILD/boot.tar" ]; } ||
        tar -cf "$BUILD/boot.tar" -C "$1" vmlinuz-686 \
            -C "$(realpath "$BUILD")" initramfs-i386
}

# Runs COMMAND under the typist.  Sets `why`; empty: all as expected.
typed() { # NAME SCRIPT STATUS COMMAND...
    local name=$1 script=$2 want=$3 status=0
    shift 3
    "$typist" -o "$logs/$name.out" "$scripts/$script" "$@" \
        2>"$logs/$name.err" || status=$?
    why=
    if [ $status -eq 124 ]; then
        why="$(head -n 1 "$logs/$name.err" | sed 's/^typist: //'), status $status"
    elif [ $status -ne "$want" ]; then
        why="status $status, not $want"
    fi
    if [ -n "$why" ] && [ -n "${SHOW_LAST:-}" ]; then # where logs are lost
        tail -n 30 "$logs/$name.out" | sed 's/^/    | /'
    fi
    if [ -n "$why" ]; then
        why="$why (see $logs/$name.out)"
    fi
}
