#include "server/http/exchange.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace hearth {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (std::ranges::equal(key, name, {}, lower, lower)) return value;
  }
  return "";
}

HttpRequest Exchange::take_request() {
  std::string body = std::exchange(request_.body, {});
  HttpRequest taken = request_;
  taken.body = std::move(body);
  return taken;
}

}  // namespace hearth
