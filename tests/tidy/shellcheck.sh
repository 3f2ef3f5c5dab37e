# Whether shellcheck accepts every shell script.
set -eu
if ! command -v shellcheck >/dev/null 2>&1; then
  echo "skipped: shellcheck is not installed"
  exit 77
fi
shellcheck --external-sources demo check .ci/run tools/packages tools/setup.sh \
  tools/ember/smoke tools/screenshot tools/terminal.sh tools/test-fresh-debian
shellcheck --shell sh --external-sources tests/app/*.sh tests/clients/agents tests/clients/run \
  tests/clients/server.sh tests/clients/lm_eval/run tests/nightly \
  tests/tidy/*.sh
