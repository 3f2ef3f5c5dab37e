// How much of each thing one request may bring. What is beyond gets an answer with status 400,
// before anything is computed. The OpenAPI document states the same numbers; a test compares them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

struct RequestLimits {
  // JSON of any request. Values are limited because each takes 16 bytes or more, keys because each
  // new one is compared with those before it.
  size_t body_bytes = 32 << 20;
  size_t depth = 64;
  size_t values = 2'000'000;
  size_t keys_of_object = 1024;
  size_t keys = 200'000;

  size_t messages = 4096;
  size_t parts_of_content = 1024;
  size_t calls_of_message = 128;
  size_t tools = 256;
  size_t name_bytes = 128;           // of a tool
  size_t schema_bytes = 256 << 10;   // of response_format
  size_t template_bytes = 16 << 10;  // of chat_template_kwargs
  size_t stop_strings = 16;
  size_t prompts = 128;     // of /v1/completions
  size_t tokens = 1 << 20;  // of one prompt, given as ids
  int64_t choices = 16;
  int64_t top_logprobs = 20;
};

inline constexpr RequestLimits kLimits;

}  // namespace hearth
