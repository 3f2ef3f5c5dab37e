// What is read back from streams of OpenAI's older dialects.
#pragma once

#include <string>
#include <vector>

#include "server/dialect/json_fields.h"

namespace hearth::testing {

/// The chunks of a whole stream, which ends with [DONE]; fails the test for what is none.
std::vector<Json> openai_chunks(const std::string& stream);

}  // namespace hearth::testing
