#!/bin/sh
# Installs those of the named Debian packages that are missing.  As root or
# through sudo; else prints the one line to run, and stops.
#
#   deps.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This is no Debian.  Ringside needs these packages, or their like:"
    echo "   $missing"
    echo "If you have them, build with 'make all'."
    exit 1
fi
line="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root="env DEBIAN_FRONTEND=noninteractive"
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo env DEBIAN_FRONTEND=noninteractive"
    sudo -v || exit 1 # asks here, where it is seen
else
    echo "Some packages are missing.  Please run as root, then try again:"
    echo "    apt-get update && $line"
    exit 1
fi
echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command as root, quietly; on a terminal the seconds go by.
patiently() { # WHAT COMMAND...
    what=$1 seconds=0 status=0
    shift
    # shellcheck disable=SC2086 # words on purpose
    $as_root "$@" >"$log" 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        [ ! -t 1 ] || printf '\r... %s: %d s ' "$what" $seconds
        sleep 1
        seconds=$((seconds + 1))
    done
    wait $pid || status=$?
    [ ! -t 1 ] || printf '\n'
    return $status
}

# shellcheck disable=SC2086 # words on purpose
if ! patiently installing $line; then
    echo "... the package lists are missing or old; fetching them"
    if ! { patiently fetching apt-get update && patiently installing $line; }; then
        tail -n 5 "$log"
        echo "Could not install.  Please see to it as root, then try again:"
        echo "    apt-get update && $line"
        exit 1
    fi
fi
