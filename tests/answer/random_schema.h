// JSON schemas made at random from the vocabulary that tools and formats use.
#pragma once

#include <nlohmann/json.hpp>
#include <random>

namespace hearth::testing {

/// The same for the same state of `random`. Something satisfies each of them.
nlohmann::ordered_json random_schema(std::mt19937& random);

}  // namespace hearth::testing
