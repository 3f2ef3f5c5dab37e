// Where in a prompt the state is worth keeping.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

/// In a long prompt a state is kept at least once in so many tokens. A copy of the state costs what
/// computing a handful of tokens does; a prompt that parts from an earlier one where nobody
/// expected it computes at most so many tokens again.
constexpr int64_t kKeepStride = 2048;

/// Starts of a prompt that are shorter are not kept for later prompts: to compute them again is
/// cheaper than to end a pass there.
constexpr int64_t kLeastKept = 64;

/// Positions, ascending, between 1 and prompt_tokens - 1, as GenerationRequest::boundaries wants
/// them. `message_ends` ascend too. Of these:
///
/// - the first: the system prompt, which other conversations share;
/// - the last: the next prompt of the conversation repeats the messages, though perhaps not the
///   answer with its reasoning;
/// - in each stride the last one, or the end of the stride where no message ends within it.
std::vector<int64_t> keep_points(int64_t prompt_tokens, std::span<const int64_t> message_ends,
                                 int64_t stride = kKeepStride);

}  // namespace hearth
