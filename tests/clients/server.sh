# shellcheck shell=sh
# Sourced by the programs here that start `hearth serve` in the background.

# wait_for_server LOG PID: sets $url to where the server that writes this log listens. Fails with
# what the log says when the server ends, or does not listen within two minutes.
wait_for_server() {
  tries=0
  until url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$1" | head -n 1) && [ -n "$url" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 1200 ] || ! kill -0 "$2" 2>/dev/null; then
      cat "$1" >&2
      return 1
    fi
    sleep 0.1
  done
}
