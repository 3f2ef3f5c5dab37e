# shellcheck shell=sh
# A real terminal for scripts: a program runs in a tmux server of its own, keys are typed into it,
# and what a person would see is read back. Sourced under `set -eu`. Everything goes below
# $terminal_folder, which is also the home of the program, and is removed in the end.

terminal_folder=$(mktemp -d)
terminal_number=0
trap 'close_terminal; rm -rf "$terminal_folder"' EXIT
trap 'exit 1' INT TERM

cat >"$terminal_folder/tmux.conf" <<'CONF'
set -g history-limit 10000
set -g default-terminal screen-256color
set -g status off
CONF

in_tmux() {
  env -i PATH="$PATH" HOME="$terminal_folder" SHELL=/bin/sh \
    tmux -u -f "$terminal_folder/tmux.conf" -S "$terminal_folder/socket$terminal_number" "$@"
}

# open_terminal COLUMNS ROWS COMMAND…: runs it, in place of what ran before. The terminal stays when
# it has ended, and shows how: tmux itself now and then loses the status.
open_terminal() {
  close_terminal
  terminal_number=$((terminal_number + 1))  # the server before may still be leaving
  columns=$1
  rows=$2
  shift 2
  # shellcheck disable=SC2016  # expanded by the shell in the terminal
  in_tmux new-session -d -x "$columns" -y "$rows" \
    sh -c 'trap : INT; "$@"; echo "ended with status $?"; exec cat' sh "$@"
}

close_terminal() { in_tmux kill-server 2>/dev/null || :; }

# All that was written, with the lines that have left the screen; wrapped lines are joined.
terminal_text() { in_tmux capture-pane -p -J -S -; }

# type_line TEXT: as typed, with the Enter key. press KEY: as tmux names it.
type_line() {
  in_tmux send-keys -l -- "$1"
  in_tmux send-keys Enter
}
press() { in_tmux send-keys "$1"; }

# wait_until WHAT SECONDS COMMAND…: until it succeeds; ends the script with the screen otherwise.
wait_until() {
  what=$1
  tries=$(($2 * 20))
  shift 2
  until "$@"; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
      printf 'waited in vain for %s; the terminal shows:\n' "$what" >&2
      terminal_text | sed 's/^/  | /' >&2
      exit 1
    fi
    sleep 0.05
  done
}

# shows COUNT PATTERN: whether at least so many lines match.
shows() { [ "$(terminal_text | grep -c -- "$2")" -ge "$1" ]; }

# shows_line COUNT LINE: whether at least so many lines are this one.
shows_line() { [ "$(terminal_text | sed 's/ *$//' | grep -cxF -- "$2")" -ge "$1" ]; }

# enter LINE: types a line at the prompt of the line editor, and waits until it is seen there.
enter() {
  entered=$(terminal_text | sed 's/ *$//' | grep -cxF -- ">>> $1" || :)
  type_line "$1"
  wait_until "the echo of $1" 30 shows_line $((entered + 1)) ">>> $1"
}

# Whether the line editor waits for a line: its prompt is the last text, and it reads single keys.
at_prompt() {
  [ "$(terminal_text | grep . | tail -n 1 | sed 's/ *$//')" = '>>>' ] &&
    stty -F "$(in_tmux display-message -p '#{pane_tty}')" -a | grep -q -- '-icanon'
}

# ended STATUS: whether the program has, so.
ended() { shows_line 1 "ended with status $1"; }
