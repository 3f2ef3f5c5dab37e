#!/bin/sh
# isa_symbols.sh OBJECT…: fails when an object of an instruction set defines a weak symbol.
# A linker keeps one copy of those for the whole program: old processors would run it, too
# (docs/HACKING.md, "The inline trap").
set -eu
found=$(nm --demangle --defined-only "$@" | grep -E ' [VWu] ' || :)
if [ -n "$found" ]; then
  echo "weak symbols, which other files' copies may be replaced with:"
  echo "$found"
  exit 1
fi
