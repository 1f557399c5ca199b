#!/bin/bash
# Plays a lesson: the debugger in tmux, keys typed by a script, and what to
# look at said below.
#
#   lesson.sh LESSON                 here, step by step: F12 goes on, and in
#                                    between the debugger is yours
#   lesson.sh --check [DIR] LESSON   nobody watches: types everything, prints
#                                    PASS or FAIL for what must be seen, and
#                                    writes the lesson's pictures into DIR
#
# A lesson is a text file, a step a line:
#
#   run ARG...      `ringside ARG...` on a terminal of 80x24; the first step
#   say TEXT        one or two lines for the class (at most 156 characters)
#   keys TEXT       typed; \r \t \e and \<F5> \<Up>... are keys, as in the
#                   files of --keys
#   see TEXT        must come on the screen within 60 s; never typed
#   picture NAME    the screen as it is, to NAME.txt
#   # ...           a comment
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}

check=
pictures=
if [ "${1:-}" = --check ]; then
    check=1
    export LC_ALL=C.UTF-8 # the pictures are the same everywhere
    shift
    if [ $# -gt 1 ]; then
        pictures=$1
        mkdir -p "$pictures" || exit 1
        shift
    fi
fi
lesson=${1:-}
if [ ! -r "$lesson" ]; then
    echo "usage: tools/lesson.sh [--check [DIR]] LESSON"
    echo "The lessons are in course-notes/lessons/."
    exit 2
fi
if ! command -v tmux >/dev/null; then
    echo "A lesson needs tmux: apt-get install tmux"
    exit 1
fi
if [ ! -x "$BUILD/ringside" ]; then
    echo "There is no $BUILD/ringside yet: make"
    exit 1
fi
name=$(basename "$lesson" .txt)
socket=ringside-lesson-$$
trap 'tm kill-server 2>/dev/null' EXIT

tm() {
    env -u TMUX tmux -L "$socket" -f /dev/null "$@"
}

# Below the debugger, three lines of tmux: two to say something in.
begin() { # ARG...
    tm start-server \; set -g status 3 \; set -g status-style reverse \; \
        set -g status-format[0] ' #{@first}' \; \
        set -g status-format[1] ' #{@second}' \; \
        set -g status-format[2] \
        ' F12: next    Ctrl-B d: leave    the keys between are yours' \; \
        set -g escape-time 10 \; set -g default-terminal tmux-256color \; \
        bind -n F12 wait-for -S next \; \
        new-session -d -x 80 -y 24 "$(printf '%q ' "$BUILD/ringside" "$@")"
}

say() { # TEXT
    local lines
    mapfile -t lines < <(fold -s -w 78 <<<"$1")
    tm set -g @first "${lines[0]}" \; set -g @second "${lines[1]:-}"
    [ -n "$check" ] || tm wait-for next
}

press() { # TEXT
    local text=$1 name
    while [ -n "$text" ]; do
        case $text in
        '\<'*)
            name=${text#??}
            text=${name#*>}
            tm send-keys "${name%%>*}"
            ;;
        '\r'*) tm send-keys Enter && text=${text#??} ;;
        '\t'*) tm send-keys Tab && text=${text#??} ;;
        '\e'*) tm send-keys Escape && text=${text#??} ;;
        *)
            name=${text%%\\*}
            tm send-keys -l -- "$name"
            text=${text#"$name"}
            ;;
        esac
    done
}

screen() {
    tm capture-pane -p
}

see() { # TEXT
    local i
    for ((i = 0; i < 600; i++)); do
        if screen | grep -qF -- "$1"; then
            [ -z "$check" ] || echo "PASS lesson $name: see $1"
            return
        fi
        sleep 0.1
    done
    echo "FAIL lesson $name: never seen: $1"
    screen
    exit 1
}

play() {
    local step rest
    while read -r step rest; do
        case $step in
        '#'* | '' | run) ;;
        say) say "$rest" ;;
        keys) press "$rest" ;;
        see) see "$rest" ;;
        picture) [ -z "$pictures" ] || screen >"$pictures/$rest.txt" ;;
        *)
            echo "FAIL lesson $name: no such step: $step"
            exit 1
            ;;
        esac
    done <"$lesson"
}

# shellcheck disable=SC2046 # words are arguments
begin $(sed -n 's/^run //p' "$lesson" | sed "s|^\(.* \)\?build/|\1$BUILD/|")
if [ -n "$check" ]; then
    play
else
    play >/dev/null &
    tm attach
    kill $! 2>/dev/null
fi
