#!/bin/bash
# The command as a user meets it: widths, reports, pipes, signals, terminal.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
ringside=$build/ringside
teach=$build/guests/teach.elf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "PASS $name"
    else
        echo "FAIL $name: $(tail -n 1 "$work/said")"
        failed=1
    fi
}

# Typed to Ringlet, which then powers off.
ringlet() { # RINGSIDE-OPTION...
    "$build/tests/typist" -o "$work/out" tests/guest/scripts/teach-short \
        "$ringside" run --accel bt -m 32M "$@" "$teach"
}

# In characters: what continues one in UTF-8 is left out first.
no_line_over_80() {
    LC_ALL=C sed 's/[\x80-\xbf]//g' "$1" |
        LC_ALL=C awk 'length($0) > 80 { print; bad = 1 } END { exit bad }'
}

# A boot sector that loops for ever, printing: mov dx, 3f8h; mov al, 'x';
# out dx, al; jmp back.
printf '\xba\xf8\x03\xb0x\xee\xeb\xfd' >"$work/talker"
truncate -s 510 "$work/talker"
printf '\x55\xaa' >>"$work/talker"

doctor_text() {
    "$ringside" doctor >"$work/doctor" && no_line_over_80 "$work/doctor" &&
        grep -q 'auto takes' "$work/doctor"
}

doctor_json() {
    "$ringside" doctor --json >"$work/doctor.json" &&
        python3 -m json.tool "$work/doctor.json"
}

# A second file of names beside the guest's own: this host's program will do.
two_symbol_files() {
    printf 'symbols\nprint kernel_main\n' |
        "$ringside" debug --repl --accel bt --symbols "$teach" \
            --symbols "$ringside" "$teach" >"$work/out" &&
        [ "$(grep -c ' symbols from /' "$work/out")" -eq 2 ] &&
        grep -q '0xc.* kernel_main' "$work/out"
}

stats_text() {
    ringlet --stats && no_line_over_80 "$work/out" &&
        grep -q '^port I/O ' "$work/out"
}

stats_json() {
    ringlet --stats=json --report "$work/a.json" &&
        "$ringside" compare-stats "$work/a.json" "$work/a.json" >"$work/both" &&
        no_line_over_80 "$work/both" && grep -q 'port I/O' "$work/both"
}

no_color() {
    NO_COLOR=1 "$ringside" help | grep -q $'\e' && return 1
    ringlet --stats && ! grep -q $'\e' "$work/out"
}

# The reader of our output leaves: so do we, soon and without a signal.
closed_pipe() {
    timeout 20 "$ringside" run --accel bt "$work/talker" 2>"$work/err" \
        </dev/null | head -c 100 >/dev/null
    local status=${PIPESTATUS[0]}
    [ "$status" -eq 0 ] || { echo "status $status"; return 1; }
}

# A slow reader loses nothing.
slow_pipe() {
    timeout 20 "$ringside" run --accel bt --max-insns 1M "$work/talker" \
        2>/dev/null </dev/null >"$work/fast"
    timeout 20 "$ringside" run --accel bt --max-insns 1M "$work/talker" \
        2>/dev/null </dev/null | (sleep 1; cat) >"$work/slow"
    [ -s "$work/fast" ] && cmp "$work/fast" "$work/slow"
}

# A time limit holds even while nobody reads.
timeout_while_blocked() {
    local start=$SECONDS
    timeout 20 "$ringside" run --accel bt --timeout 1 "$work/talker" \
        2>/dev/null </dev/null | (sleep 4; cat) >/dev/null
    local status=${PIPESTATUS[0]}
    [ "$status" -eq 14 ] || { echo "status $status"; return 1; }
    [ $((SECONDS - start)) -lt 10 ]
}

# Ended by a signal, it still writes its report.
killed_by() { # SIGNAL
    local status=0
    timeout -s "$1" 3 "$ringside" run --accel bt --serial null --stats \
        --report "$work/killed" "$teach" </dev/null 2>/dev/null || status=$?
    # timeout itself answers 124 for a child that its signal ended.
    [ "$status" -eq 124 ] && grep -q 'Exits of' "$work/killed"
}

# On a terminal of its own: raw while it runs, as before when it was left.
terminal_comes_back() {
    cat >"$work/script" <<'S'
expect ready
send before=$(stty -g); "$RINGSIDE" run --accel bt "$TEACH"; echo left
expect ringlet$
key \x01h
expect Ctrl-A x
key \x01x
expect left
send [ "$(stty -g)" = "$before" ] && echo same''mode; exit
expect samemode
S
    RINGSIDE=$ringside TEACH=$teach PS1='' "$build/tests/typist" \
        -o "$work/out" "$work/script" bash --norc -c 'echo ready; exec bash --norc'
}

# ... and as before when a signal ended it that nobody thought of: Ringside takes
# those that nobody has, and a sanitizer would have SIGSEGV.
terminal_survives() { # SIGNAL SUB-COMMAND OPTION...
    cat >"$work/victim" <<'S'
before=$(stty -g)
(until stty -a <"$TTY" | grep -q -e -icanon; do sleep 0.1; done
    kill -"$1" "$(pgrep -P $$ ringside)") &
shift
"$RINGSIDE" "$@" --accel bt "$TEACH"
[ "$(stty -g)" = "$before" ] && echo samemode
S
    echo 'expect samemode' >"$work/script"
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:handle_segv=0 \
        RINGSIDE=$(realpath "$ringside") TEACH=$(realpath "$teach") PS1='' \
        "$build/tests/typist" -o "$work/out" "$work/script" \
        bash -c 'cd "$1" && shift && TTY=$(tty) exec bash --norc victim "$@"' \
        x "$work" "$@"
}

statuses_are_documented() {
    local number
    "$ringside" run --help >"$work/help"
    for number in $(sed -nE 's/^STATUS\([A-Z_]+, *([0-9]+),.*/\1/p' \
        vmm/exit_status.def); do
        grep -qE "^ +$number  " "$work/help" || { echo "$number"; return 1; }
    done
}

completion_works() {
    "$ringside" gen-docs "$work/docs" || return 1
    # shellcheck source=/dev/null
    (. "$work/docs/ringside.bash"
        completes --accel run --acc
        completes kvm run --accel k
        completes kvm run --accel = k
        completes json run --stats =
        completes walk view wa
        completes 'debug doctor' help d
        completes 'code stack hlt' debug --check '')
}

completes() { # WHAT WORD...: the last word's completions, in a subshell
    local what=$1
    shift
    COMP_WORDS=(ringside "$@") COMP_CWORD=$#
    _ringside
    [ "${COMPREPLY[*]}" = "$what" ] || { echo "$*: ${COMPREPLY[*]}"; exit 1; }
}

# Every command's --help, and the list of them.
help_fits() {
    local command
    "$ringside" help >"$work/help" || return 1
    for command in $(sed -nE 's/^COMMAND\([a-z_]+, "([a-z-]+)".*/\1/p' vmm/cli.def); do
        "$ringside" "$command" --help >>"$work/help" || return 1
    done
    no_line_over_80 "$work/help"
}

check doctor-text doctor_text
command -v python3 >/dev/null && check doctor-json doctor_json
check two-symbol-files two_symbol_files
check stats-text stats_text
check stats-json stats_json
check no-color no_color
check closed-pipe closed_pipe
check slow-pipe slow_pipe
check timeout-while-blocked timeout_while_blocked
check killed-by-term killed_by TERM
check killed-by-int killed_by INT
check terminal-comes-back terminal_comes_back
check terminal-survives-usr1 terminal_survives USR1 run
check terminal-survives-hup-with-display terminal_survives HUP run --display text
check terminal-survives-segv-in-debug terminal_survives SEGV debug
check terminal-survives-alrm-in-repl terminal_survives ALRM debug --repl
check statuses-are-documented statuses_are_documented
check help-fits help_fits
check completion-works completion_works
exit $failed
