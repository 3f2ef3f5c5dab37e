// For the inner pieces of a tile, which is an array of registers: arrays stay in registers only
// where the functions that work on them are expanded.
#pragma once

#define HEARTH_INLINE inline __attribute__((always_inline))
/// For a lambda, which takes no `inline`.
#define HEARTH_ALWAYS_INLINE __attribute__((always_inline))
