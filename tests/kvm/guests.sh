#!/bin/bash
# The guest tests on a complete KVM (tests/kvm-host.sh); what our own guests
# show there is compared with what they show under bt here.
#
#   guests.sh            ONLY=REGEX BUILD=DIR as in tests/guest/lib.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

debian=
files=()
for set in i386 amd64 boot; do
    lacks=$(debian_lacks $set)
    if [ -n "$lacks" ]; then
        skip "kvm-guests-$set" "$lacks"
        continue
    fi
    debian=$(debian_dir $set)
    case $set in
    i386 | amd64)
        initramfs $set
        files+=("$BUILD/initramfs-$set")
        ;;
    boot)
        [ ! -s "$debian/vmlinuz-686" ] || boot_tar "$debian"
        files+=("$BUILD/boot.tar")
        ;;
    esac
done
[ -z "$debian" ] || files+=("$debian")

ACCELS=bt ONLY='^(ports|teach|classic)$' tests/guest/guests.sh >/dev/null
for name in ports teach classic; do
    [ ! -s "$logs/$name-bt.out" ] || files+=("$logs/$name-bt.out")
done

# Virtual in virtual: everything takes its time there.
machine() { # NPT ONLY NOT COMMAND
    KVM_HOST_NPT=$1 KVM_HOST_TIMEOUT=${KVM_HOST_TIMEOUT:-2400} \
        tests/kvm-host.sh "$ringside" "$typist" "$BUILD/guests" tests/guest \
        /bin/bash "${files[@]}" -- \
        env BUILD="$BUILD" ONLY="$2" NOT="$3" ACCELS=kvm SLOWER=10 SHOW_LAST=1 \
        RINGSIDE_CACHE="$(dirname "${debian:-/tmp/x}")" bash -c "$4"
}

# PAE without nested paging: see tests/kvm-host.sh.  All else with it, as
# processors have it.
pae='^debian-686-pae$'
machine 1 "$only" "$pae" 'bash tests/guest/bad-input.sh; bad=$?
                          bash tests/guest/guests.sh && exit $bad'
status=$?
if [ $status -eq 77 ]; then
    skip kvm-guests "there is no complete KVM to be had here"
    exit 0
fi
[[ debian-686-pae =~ $only ]] || exit $status
machine 0 "$pae" '' 'bash tests/guest/guests.sh' && exit $status
