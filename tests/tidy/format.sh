# Whether clang-format would leave the C++ as it is. Other versions than 14 decide otherwise here
# and there, so only that one counts.
set -eu
for program in clang-format-14 clang-format; do
  if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    find src tests tools -name '*.cc' -o -name '*.h' | sort | while read -r file; do
      "$program" "$file" | cmp -s - "$file" || echo "$file" >>"$list"
    done
    if [ ! -s "$list" ]; then exit 0; fi
    sed "s|.*|&: not formatted; run: $program -i &|" "$list"
    exit 1
  fi
done
echo "skipped: clang-format 14 is not installed"
exit 77
