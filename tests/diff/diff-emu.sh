#!/bin/bash
# The one-instruction executor against this processor.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/diff/lib.sh
. tests/diff/lib.sh
against_host "emu equals the host" diff_emu
