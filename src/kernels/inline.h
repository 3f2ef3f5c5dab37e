// How pieces of a tile are marked: arrays of registers stay in registers only where the functions
// that pass them on are expanded.
#pragma once

#define HEARTH_INLINE inline __attribute__((always_inline))
