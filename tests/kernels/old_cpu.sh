#!/bin/sh
# old_cpu.sh KERNEL_CHECK: runs it on emulated processors without AVX-512, and without AVX2. Each
# must choose the set that it can run, and execute no instruction that it does not have.
set -eu
program=$1
if [ "$(uname -m)" != x86_64 ]; then
  echo "skipped: kernels for old x86 processors are built on x86-64 only"
  exit 77
fi
if ! command -v qemu-x86_64 >/dev/null; then
  echo "skipped: qemu-x86_64 is not installed (Debian package qemu-user)"
  exit 77
fi
qemu-x86_64 -cpu Haswell "$program" --emulated --expect avx2 --set avx2
qemu-x86_64 -cpu Nehalem "$program" --emulated --expect reference
