#include "server/http/response_head.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <boost/beast/http/status.hpp>
#include <ctime>

#include "server/http/sse.h"

namespace hearth {
namespace {

void append(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? ' ' : c;
  }
  out += "\r\n";
}

}  // namespace

std::string response_head(const HttpResponse& response, const HeadForm& form) {
  namespace http = boost::beast::http;
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status,
                                std::string_view(reason.data(), reason.size()));
  out += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(std::time(nullptr)));
  if (!response.content_type.empty()) append(out, "Content-Type", response.content_type);
  if (form.length) append(out, "Content-Length", std::to_string(*form.length));
  if (form.chunked) append(out, "Transfer-Encoding", "chunked");
  if (!form.keep_alive) append(out, "Connection", "close");
  if (!form.request_id.empty()) append(out, "x-request-id", form.request_id);
  append(out, "X-Content-Type-Options", "nosniff");
  if (response.content_type.starts_with(kSseType)) {
    append(out, "Cache-Control", "no-cache");
    append(out, "X-Accel-Buffering", "no");  // proxies would hold events back
  }
  for (const auto& [name, value] : form.more) append(out, name, value);
  for (const auto& [name, value] : response.headers) append(out, name, value);
  return out + "\r\n";
}

}  // namespace hearth
