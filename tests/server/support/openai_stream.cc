#include "tests/server/support/openai_stream.h"

#include <gtest/gtest.h>

namespace hearth::testing {

std::vector<Json> openai_chunks(const std::string& stream) {
  std::vector<Json> chunks;
  for (size_t begin = 0; begin < stream.size();) {
    const size_t end = stream.find("\n\n", begin);
    EXPECT_NE(end, stream.npos) << "an event without an end";
    const std::string event = stream.substr(begin, end - begin);
    begin = end == stream.npos ? stream.size() : end + 2;
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    if (event == "data: [DONE]") {
      EXPECT_EQ(begin, stream.size()) << "something follows the end";
      return chunks;
    }
    chunks.push_back(Json::parse(event.substr(6), nullptr, false));
    EXPECT_TRUE(chunks.back().is_object()) << event;
  }
  ADD_FAILURE() << "no [DONE]";
  return chunks;
}

}  // namespace hearth::testing
