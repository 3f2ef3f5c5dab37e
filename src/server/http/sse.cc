#include "server/http/sse.h"

#include <algorithm>

#include "base/check.h"

namespace hearth {
namespace {

bool is_one_line(std::string_view text) {
  return text.find_first_of("\r\n") == std::string_view::npos;
}

/// CR, LF and CRLF each end a line of an event stream.
void append_data(std::string& out, std::string_view data) {
  while (true) {
    const size_t end = std::min(data.find_first_of("\r\n"), data.size());
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == data.size()) break;
    data.remove_prefix(data.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
  }
  out += '\n';
}

}  // namespace

std::string sse_data(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 16);
  append_data(out, data);
  return out;
}

std::string sse_event(std::string_view name, std::string_view data) {
  CHECK(is_one_line(name));
  std::string out;
  out.reserve(name.size() + data.size() + 32);
  out.append("event: ").append(name).append("\n");
  append_data(out, data);
  return out;
}

std::string sse_comment(std::string_view text) {
  CHECK(is_one_line(text));
  return ": " + std::string(text) + "\n\n";
}

}  // namespace hearth
