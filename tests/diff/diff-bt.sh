#!/bin/bash
# The translator, with its blocks checked, against this processor.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/diff/lib.sh
. tests/diff/lib.sh
against_host "bt equals the host" diff_bt
