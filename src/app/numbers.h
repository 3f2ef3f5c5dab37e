// Numbers for people.
#pragma once

#include <cstdint>
#include <string>

namespace hearth {

/// 1234567 → "1,234,567".
std::string grouped(uint64_t number);

}  // namespace hearth
