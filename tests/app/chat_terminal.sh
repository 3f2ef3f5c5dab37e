# A conversation in a real terminal: what is seen, what Ctrl-C does, and that a later turn computes
# only its new tokens.
#
#   chat_terminal.sh PROGRAM [MODEL]
set -eu
program=$1
model=${2:-}
if [ -z "$model" ]; then
  model=tests/checkpoints/int4-mixed
  if [ -d models/ember ]; then model=models/ember; fi
fi
if ! command -v tmux >/dev/null 2>&1; then
  echo "skipped: tmux is not installed"
  exit 77
fi
# shellcheck source=tools/terminal.sh
. tools/terminal.sh

fail() {
  printf '%s; the terminal shows:\n' "$1" >&2
  terminal_text | sed 's/^/  | /' >&2
  exit 1
}

# equal WHAT FOUND EXPECTED
equal() { [ "$2" = "$3" ] || fail "$1: found '$2', expected '$3'"; }

# Without end tokens, every answer is as long as -n says, or until somebody stops it.
ends=$(tr -d ' \n' <"$model/generation_config.json" |
  sed 's/.*"eos_token_id":\[\{0,1\}\([0-9,]*\).*/\1/' | tr ',' ' ')
biases=
for token in $ends; do biases="$biases --logit-bias $token=-100"; done

open_chat() {
  # shellcheck disable=SC2086  # several flags
  open_terminal 150 40 "$program" chat --no-config -m "$model" --temp 0 -n 40 -c 4096 \
    --reasoning-budget 8 $biases
  wait_until 'the first prompt' 60 at_prompt
}

answers=0
ask() {
  answers=$((answers + 1))
  enter "$1"
  wait_until "the statistics of answer $answers" 60 shows "$answers" '^prompt [0-9]* tokens'
  wait_until 'the prompt' 30 at_prompt
}

# command LINE PATTERN: runs a command of the chat, and waits for what it says.
command_says() {
  before=$(terminal_text | grep -c -- "$2" || :)
  enter "$1"
  wait_until "the answer to $1" 30 shows $((before + 1)) "$2"
  wait_until 'the prompt' 30 at_prompt
}

# figure TURN NAME: prompt, cached, reasoning or answer tokens of a turn's statistics.
figure() {
  pattern="$2 [0-9]*"
  if [ "$2" = cached ]; then pattern='[0-9]* of them cached'; fi
  line=$(terminal_text | grep '^prompt [0-9]* tokens' | sed -n "$1p")
  printf '%s reasoning 0' "$line" | grep -o "$pattern" | head -n 1 | tr -cd 0-9
}

last_tokens() { terminal_text | grep ' of [0-9]* tokens\.' | tail -n 1 | sed 's/ of.*//'; }

# Three turns. What the model did not know of a prompt is the question, the words that the template
# puts around it, and the last token of the answer before, which was drawn and not computed; with
# reasoning, which the template leaves out later, also that answer.
open_chat
shows 1 "^${model##*/}. /help lists the commands." || fail 'no greeting'
ask 'Hello there'
equal 'cached tokens of turn 1' "$(figure 1 cached)" 0
ask 'And then?'
ask 'And then?'
for turn in 2 3; do
  before=$((turn - 1))
  new=$(($(figure $turn prompt) - $(figure $turn cached)))
  if [ "$(figure $before reasoning)" -eq 0 ]; then
    equal "cached tokens of turn $turn" "$(figure $turn cached)" \
      $(($(figure $before prompt) + $(figure $before answer) - 1))
  fi
  most=$((30 + $(figure $before answer)))
  [ "$new" -le "$most" ] || fail "turn $turn computed $new tokens of its prompt, more than $most"
done
[ "$(figure 3 prompt)" -gt $((2 * new)) ] || fail 'turn 3 has too short a prompt to show anything'

# An answer that is stopped, and taken back.
command_says /tokens '[0-9]* of 4096 tokens\.'
tokens=$(last_tokens)
enter '/set tokens 3000'
wait_until 'the prompt' 30 at_prompt
enter 'Tell me everything'
has_begun() { [ "$(terminal_text | sed '1,/^>>> Tell me everything/d' | grep -c .)" -ge 2 ]; }
wait_until 'the beginning of the long answer' 60 has_begun
press C-c
wait_until 'the statistics of the stopped answer' 30 shows 4 '^prompt [0-9]* tokens'
wait_until 'the prompt' 30 at_prompt
[ "$(($(figure 4 answer) + $(figure 4 reasoning)))" -lt 3000 ] || fail 'Ctrl-C did not stop it'
enter '/set tokens 40'
wait_until 'the prompt' 30 at_prompt
command_says /undo 'Took the last question back; 6 messages are left\.'
command_says /tokens '[0-9]* of 4096 tokens\.'
equal 'tokens after /undo' "$(last_tokens)" "$tokens"

# Saved, and gone on with in a new process.
command_says "/export $terminal_folder/before.md" 'Wrote '
command_says "/save $terminal_folder/talk.json" 'Saved 6 messages in'
enter /quit
wait_until 'the end after /quit' 60 ended 0
open_chat
answers=0
command_says "/load $terminal_folder/talk.json" 'Loaded 6 messages\.'
command_says "/export $terminal_folder/after.md" 'Wrote '
cmp "$terminal_folder/before.md" "$terminal_folder/after.md" || fail '/load lost something'
ask 'Good bye'
command_says "/export $terminal_folder/talk.md" 'Wrote '
grep -q '^Hello there$' "$terminal_folder/talk.md" || fail 'the export lacks the first question'
equal 'questions in the export' "$(grep -c '^## You$' "$terminal_folder/talk.md")" 4

# Twice Ctrl-C at the prompt leaves.
press C-c
wait_until 'what Ctrl-C says' 30 shows 1 'Ctrl-C once more'
wait_until 'the prompt' 30 at_prompt
press C-c
wait_until 'the end after two Ctrl-C' 60 ended 0
