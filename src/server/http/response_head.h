// The head of an answer, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/http/exchange.h"

namespace hearth {

struct HeadForm {
  std::optional<size_t> length = {};  // of the body, where it is known
  bool chunked = false;
  bool keep_alive = true;
  std::string request_id = {};
  HttpHeaders more = {};
};

/// Without the body. Line breaks in values become spaces: no header can smuggle another.
std::string response_head(const HttpResponse& response, const HeadForm& form);

}  // namespace hearth
