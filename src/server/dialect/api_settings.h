// What whoever starts a server decides about its dialects.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/dialect/background.h"
#include "server/dialect/request_metrics.h"

namespace hearth {

struct ApiSettings {
  std::string version = "0";         // of hearth
  std::vector<std::string> aliases;  // more names of the model, as /v1/models lists them
  std::string model_path;            // for /props, like the template
  std::string chat_template;
  std::string tokenizer_config;  // a JSON object, for /tokenizer_info; empty: no file has it
  int64_t started = 0;           // seconds since 1970
  /// Chat answers carry their reasoning as `reasoning`, too, not only as `reasoning_content`.
  bool both_reasoning_fields = false;
  /// Whether the server takes new requests: false while it stops. May be empty: always.
  std::function<bool()> ready = {};
  /// Seconds since 1970, for `created`; empty: the clock.
  std::function<int64_t()> now = {};
  /// The part of ids behind their prefix; empty: random.
  std::function<std::string()> new_id = {};
  std::shared_ptr<Background> background = std::make_shared<Background>();
  std::shared_ptr<RequestMetrics> metrics = std::make_shared<RequestMetrics>();
};

/// Of an answer.
int64_t now_of(const ApiSettings& settings);
/// `prefix` and 24 letters and digits.
std::string new_id(const ApiSettings& settings, const std::string& prefix);

}  // namespace hearth
