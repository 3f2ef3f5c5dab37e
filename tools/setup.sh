# shellcheck shell=sh
# What ./demo and ./check share: packages, configuring, building. Sourced from the root of the
# source tree, under `set -eu`. Sets: log, jobs. Every generated file goes below build/.

log=build/setup.log
exit_failure=1
# shellcheck disable=SC2034  # used by the scripts that source this file
exit_usage=2
exit_packages=5  # packages are missing and were not installed

say() { printf '%s\n' "$@"; }  # a line for each argument

# fail STATUS LINE…: ends the program; ./check replaces on_failure.
on_failure() { :; }
fail() {
  status=$1
  shift
  say "$@" >&2
  on_failure "$status"
  exit "$status"
}

start_log() {
  mkdir -p build
  : >"$log"
}

# Shows the last line of the log behind the name of the step, for as long as the script runs.
show_progress() {
  while kill -0 $$ 2>/dev/null; do
    line=$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c1-56)
    printf '\r%s… %s\033[K' "$1" "$line"
    sleep 1
  done
}

# logged STEP ADVICE COMMAND…: runs the command into the log. When it fails, shows the end of the
# log and the advice, and ends the program.
logged() {
  step=$1
  advice=$2
  shift 2
  printf '\n== %s: %s\n' "$step" "$*" >>"$log"
  started=$(date +%s)
  watcher=
  if [ -t 1 ]; then
    show_progress "$step" &
    watcher=$!
  fi
  status=0
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  if [ -n "$watcher" ]; then
    kill "$watcher" 2>/dev/null || :
    wait "$watcher" 2>/dev/null || :
    printf '\r\033[K'
  fi
  if [ "$status" -ne 0 ]; then
    say "$step failed; the end of $log:" >&2
    tail -n 20 "$log" | sed 's/^/  | /' >&2
    fail "$exit_failure" "What to do: $advice"
  fi
  say "$step: done in $(($(date +%s) - started)) s"
}

# version_at_least HAVE WANT, both like 1.85.0
version_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$2" ]
}

# program_at_least PROGRAM VERSION: whether PATH has it, new enough
program_at_least() {
  command -v "$1" >/dev/null 2>&1 || return 1
  have=$("$1" --version 2>/dev/null | grep -o '[0-9][0-9]*\(\.[0-9][0-9]*\)\{1,2\}' | head -n 1)
  [ -n "$have" ] && version_at_least "$have" "$2"
}

# package_lines SECTION…: the lines of packages.txt, comments and blank lines removed
package_lines() {
  awk -v wanted=" $* " '
    { sub(/#.*/, ""); sub(/[ \t]+$/, "") }
    /^\[/ { gsub(/[][]/, ""); on = index(wanted, " " $0 " ") > 0; next }
    on && NF
  ' packages.txt
}

is_installed() {
  case $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) in
    ii*) return 0 ;;
    *) return 1 ;;
  esac
}

# offered A|B…: the first alternative that apt knows, else the first
offered() {
  for name in $(printf '%s' "$1" | tr '|' ' '); do
    if apt-cache show "$name" >/dev/null 2>&1; then
      printf '%s' "$name"
      return
    fi
  done
  printf '%s' "${1%%|*}"
}

# missing_packages SECTION…: names to install, on one line
missing_packages() {
  package_lines "$@" | while read -r names program; do
    if [ -n "$program" ]; then
      program_at_least "${program%%>=*}" "${program#*>=}" && continue
    else
      found=no
      for name in $(printf '%s' "$names" | tr '|' ' '); do
        if is_installed "$name"; then found=yes; fi
      done
      [ $found = yes ] && continue
    fi
    printf '%s ' "$(offered "$names")"
  done
}

# ensure_packages INSTALL SECTION…: prints what is missing; with INSTALL=yes installs it.
ensure_packages() {
  install=$1
  shift
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    say "This is not a Debian-like system; the equivalents of these packages are needed:"
    package_lines "$@" | sed 's/[| ].*//' | paste -s -d ' ' -
    return
  fi
  missing=$(missing_packages "$@")
  if [ -z "$missing" ]; then return; fi

  say "Missing packages: $missing"
  get="apt-get install --yes --no-install-recommends --no-remove"
  root=
  if [ "$(id -u)" -ne 0 ]; then
    root="sudo"
    [ -t 0 ] || root="sudo --non-interactive"
  fi
  if [ "$install" = no ]; then
    fail "$exit_packages" "To install them:" \
      "  ${root:+sudo }apt-get update && ${root:+sudo }$get $missing"
  fi
  if [ -n "$root" ] && ! command -v sudo >/dev/null 2>&1; then
    fail "$exit_packages" "Neither root nor sudo. As root, run:" "  $get $missing"
  fi
  # shellcheck disable=SC2086  # $root, $get and $missing are lists of words
  {
    if [ -n "$root" ] && ! $root true; then
      fail "$exit_packages" "sudo refused. As root, run:" "  $get $missing"
    fi
    # An unreachable third-party source is no reason to stop: the installation decides.
    $root apt-get -o DPkg::Lock::Timeout=120 update >>"$log" 2>&1 </dev/null || :
    missing=$(missing_packages "$@")
    logged "Installing packages" "read apt's message above; ./check --no-install prints the line." \
      $root env DEBIAN_FRONTEND=noninteractive $get -o DPkg::Lock::Timeout=120 $missing
  }
  missing=$(missing_packages "$@")
  if [ -n "$missing" ]; then
    fail "$exit_packages" "Still missing or too old after the installation: $missing" \
      "What to do: install newer ones and put them on PATH (packages.txt has the versions)."
  fi
}

# Parallel jobs: one a core, and 1.5 GB of memory for each.
count_jobs() {
  memory_kb=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [ "$limit" != max ] && [ $((limit / 1024)) -lt "$memory_kb" ]; then
    memory_kb=$((limit / 1024))
  fi
  jobs=$(nproc)
  if [ $((memory_kb / 1500000)) -lt "$jobs" ]; then jobs=$((memory_kb / 1500000)); fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  export CARGO_BUILD_JOBS="$jobs"
}

is_writable() {
  mkdir -p "$1" 2>/dev/null && [ -w "$1" ]
}

# Caches live in the home directory where that can be written, else below build/.
choose_caches() {
  home=${HOME:-/nonexistent}
  if [ -z "${CARGO_HOME:-}" ] && ! is_writable "$home/.cargo"; then
    export CARGO_HOME="$PWD/build/cargo-home"
  fi
  if command -v ccache >/dev/null 2>&1; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    if [ -z "${CCACHE_DIR:-}" ] && ! is_writable "$home/.cache/ccache"; then
      export CCACHE_DIR="$PWD/build/ccache"
    fi
  fi
}

# build PRESET TARGET…: configures once (Ninja configures again by itself), then builds.
build() {
  preset=$1
  shift
  cache=build/$preset/CMakeCache.txt
  if [ -f "$cache" ] && ! grep -Fqx "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
    say "The source tree has moved: building $preset from scratch."
    rm -rf "build/$preset"
  fi
  if [ ! -f "build/$preset/build.ninja" ]; then
    logged "Configuring $preset" "read the first error in $log." \
      cmake --preset "$preset" -D HEARTH_BATCHES=ON
  fi
  logged "Building $preset" "read the first error in $log; if memory or disk is full, make room." \
    cmake --build --preset "$preset" --parallel "$jobs" --target "$@"
}
