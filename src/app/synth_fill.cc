#include "app/synth_fill.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace hearth {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014) at a position: its state is a counter, so that no draw
/// depends on the ones before.
inline uint64_t random_word(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/// The middle of the i-th of kValueTableSize equal parts of [0, 1].
double quantile(size_t i) {
  return (static_cast<double>(i) + 0.5) / static_cast<double>(kValueTableSize);
}

/// The value below which a standard normal variable stays with chance p, by bisection.
double normal_quantile(double p) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    const double chance = std::erfc(-middle / std::sqrt(2.0)) / 2;
    (chance < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

template <typename Value>
ValueTable make_table(const Value& value) {
  ValueTable table(kValueTableSize);
  for (size_t i = 0; i < kValueTableSize; ++i) table[i] = value(quantile(i));
  return table;
}

/// Calls word(index) for each 8-byte word of the range and stores what it returns, the last one in
/// part.
template <typename Word>
void store_words(uint64_t offset, std::span<std::byte> out, const Word& word) {
  const uint64_t first = offset / sizeof(uint64_t);
  const size_t whole = out.size() / sizeof(uint64_t);
  for (size_t i = 0; i < whole; ++i) {
    const uint64_t value = word(first + i);
    std::memcpy(out.data() + i * sizeof(value), &value, sizeof(value));
  }
  const size_t rest = out.size() % sizeof(uint64_t);
  if (rest > 0) {
    const uint64_t value = word(first + whole);
    std::memcpy(out.data() + whole * sizeof(value), &value, rest);
  }
}

}  // namespace

ValueTable normal_table(float mean, float deviation) {
  return make_table([&](double p) {
    return float_to_bf16(mean + deviation * static_cast<float>(normal_quantile(p)));
  });
}

ValueTable log_table(float low, float high) {
  return make_table([&](double p) {
    return float_to_bf16(static_cast<float>(std::log(low + p * (high - low))));
  });
}

ValueTable softplus_inverse_table(float low, float high) {
  return make_table([&](double p) {
    const double d = low * std::pow(high / low, p);
    return float_to_bf16(static_cast<float>(std::log(std::expm1(d))));
  });
}

ValueTable scale_table(float mean, bool both_signs) {
  return make_table([&](double p) {
    // The sign alternates by halves, so that it says nothing about the size.
    const double within = both_signs ? std::fmod(2 * p, 1.0) : p;
    const double size = mean * (0.5 + within);
    return float_to_f16(static_cast<float>(both_signs && p < 0.5 ? -size : size));
  });
}

uint64_t tensor_seed(uint64_t seed, std::string_view tensor_name) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : tensor_name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return random_word(hash, seed);
}

void fill_bytes(const Fill& fill, uint64_t tensor_seed, uint64_t offset, std::span<std::byte> out) {
  switch (fill.kind) {
    case Fill::Kind::kRandomBits:
      store_words(offset, out, [&](uint64_t index) { return random_word(tensor_seed, index); });
      return;
    case Fill::Kind::kWord:
      store_words(offset, out, [&](uint64_t) { return fill.word * 0x100000001u; });
      return;
    case Fill::Kind::kTable:
      store_words(offset, out, [&, table = fill.table->data()](uint64_t index) {
        const uint64_t bits = random_word(tensor_seed, index);
        uint64_t values = 0;
        for (int lane = 0; lane < 4; ++lane) {
          values |= uint64_t{table[bits >> (16 * lane) & (kValueTableSize - 1)]} << (16 * lane);
        }
        return values;
      });
      return;
    case Fill::Kind::kGroupIndex:
      store_words(offset, out, [&](uint64_t index) {
        const uint64_t low = 2 * index / fill.group_size;
        const uint64_t high = (2 * index + 1) / fill.group_size;
        return low | high << 32;
      });
      return;
  }
}

}  // namespace hearth
