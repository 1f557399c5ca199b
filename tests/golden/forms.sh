#!/bin/bash
# Every view in every form: JSON with the documented keys and no others, SVG
# that is valid XML, --text the same as nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
exec python3 tests/golden/forms.py "${BUILD:-build}"
