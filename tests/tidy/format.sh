# Whether clang-format would leave the C++ as it is. Other versions than 14 decide otherwise here
# and there, so only that one counts.
set -eu
for program in clang-format-14 clang-format; do
  if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
    files=$(find src tests tools -name '*.cc' -o -name '*.h' -o -name '*.inc')
    # shellcheck disable=SC2086  # our own paths, without spaces
    wrong=$("$program" --dry-run $files 2>&1 |
      sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: .*/\1/p' | sort -u)
    if [ -z "$wrong" ]; then exit 0; fi
    printf '%s\n' "$wrong" | sed "s|.*|&: not formatted; run: $program -i &|"
    exit 1
  fi
done
echo "skipped: clang-format 14 is not installed"
exit 77
