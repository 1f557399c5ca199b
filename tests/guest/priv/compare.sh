#!/bin/sh
# compare.sh EXPECTED ACTUAL [KNOWN]: each line of EXPECTED against ACTUAL's.
# A line that begins with one of KNOWN's may differ.  Prints what differs and
# must not, then "N equal, N known, N wrong"; fails if any is wrong.
exec awk -v expected="$1" -v actual="$2" -v known="${3:-/dev/null}" '
BEGIN {
    while ((getline line < known) > 0)
        if (line != "" && line !~ /^# /)
            prefix[++prefixes] = line
    while ((getline want < expected) > 0) {
        if ((getline got < actual) <= 0)
            got = "(nothing)"
        if (got == want) {
            equal++
            continue
        }
        for (i = 1; i <= prefixes; i++)
            if (index(want, prefix[i]) == 1)
                break
        if (i <= prefixes) {
            tolerated++
            continue
        }
        printf "< %s\n> %s\n", want, got
        wrong++
    }
    while ((getline got < actual) > 0) {
        printf "> %s\n", got
        wrong++
    }
    printf "%d equal, %d known, %d wrong\n", equal, tolerated, wrong
    exit wrong > 0
}'
