// What whoever starts a server decides about its dialects.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hearth {

/// By the clock.
int64_t seconds_since_1970();
/// 24 letters and digits.
std::string random_id();

struct ApiSettings {
  std::string version = "0";         // of hearth
  std::vector<std::string> aliases;  // more names of the model, as /v1/models lists them
  std::string model_path;            // for /props, like the template
  std::string chat_template;
  std::string tokenizer_config;  // a JSON object, for /tokenizer_info; empty: no file has it
  /// What the model was counted to take, for /v1/memory.
  nlohmann::ordered_json memory_ledger = nlohmann::ordered_json::object();
  int64_t started = 0;  // seconds since 1970
  /// Chat answers carry their reasoning as `reasoning`, too, not only as `reasoning_content`.
  bool both_reasoning_fields = false;
  /// Whether the server takes new requests: false while it stops. May be empty: always.
  std::function<bool()> ready = {};
  /// For `created`, and for how long a stream has been silent.
  std::function<int64_t()> now = seconds_since_1970;
  /// The part of ids behind their prefix.
  std::function<std::string()> new_id = random_id;
};

}  // namespace hearth
