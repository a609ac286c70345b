#!/usr/bin/env bash
# The shared library exports exactly the functions that the headers mark SM_API.
#
# usage: exports.sh HEADER LIBRARY     HEADER_*.h beside it belong to it
set -euo pipefail
headers=("$1" "${1%.h}"_*.h) library=$2

promised=$(sed -n 's/^SM_API [^(]*[ *]\(sm_[a-z0-9_]*\)(.*/\1/p' "${headers[@]}" | LC_ALL=C sort)
exported=$(nm -D --defined-only "$library" | awk '{print $3}' | LC_ALL=C sort)

[ "$(wc -w <<<"$promised")" = "$(cat "${headers[@]}" | grep -c '^SM_API ')" ] ||
    { echo "a line with SM_API does not hold its function's name" && exit 1; }
diff <(echo "$promised") <(echo "$exported") || { echo "< only in the header, > only exported" && exit 1; }
