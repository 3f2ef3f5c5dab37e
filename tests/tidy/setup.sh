# The parts of tools/setup.sh that can go wrong without anything being installed.
set -eu
# shellcheck source=tools/setup.sh
. "$PWD/tools/setup.sh"

expect() {  # expect RESULT COMMAND…: what the command prints, `yes` for a silent success
  expected=$1
  shift
  found=$("$@" && echo yes) || found=no
  found=$(printf '%s' "$found" | paste -s -d ';' -)
  if [ "$found" != "$expected" ]; then
    say "'$*' gave '$found' instead of '$expected'"
    exit 1
  fi
}

expect yes version_at_least 1.85.0 1.85
expect yes version_at_least 1.100.0 1.85
expect yes version_at_least 14 12
expect no version_at_least 1.63.0 1.85
expect no version_at_least 3.9 3.25
expect no program_at_least no-such-program 1.0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin
printf '#!/bin/sh\necho "forge 1.63.0 (built for tests)"\n' >bin/forge
printf '#!/bin/sh\nexit 1\n' >bin/apt-cache
chmod +x bin/*
PATH=$folder/bin:$PATH
expect yes program_at_least forge 1.63
expect no program_at_least forge 1.85

cat >packages.txt <<'TEXT'
# A comment.
[one]
first      # why
no-such-package-a|no-such-package-b   forge>=1.60   # why

[two]
no-such-package-a|no-such-package-b   forge>=1.85
TEXT
expect 'first;no-such-package-a|no-such-package-b   forge>=1.60;yes' package_lines one
expect 'no-such-package-a|no-such-package-b   forge>=1.85;yes' package_lines two
expect 'yes' package_lines three
# shellcheck disable=SC2317  # missing_packages calls it
is_installed() { [ "$1" = first ]; }
expect yes missing_packages one
expect 'no-such-package-a yes' missing_packages two
# shellcheck disable=SC2317
is_installed() { return 1; }
expect 'first no-such-package-a yes' missing_packages one two
