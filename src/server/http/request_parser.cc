#include "server/http/request_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <optional>

#include "server/http/http_problem.h"

namespace hearth {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kReserveMax = 1 << 20;    // what a declared length is believed for
constexpr size_t kChunkHeadMax = 8 << 10;  // size and extensions of a chunk, trailers

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      throw HttpProblem{400, "bad_target",
                        fmt::format("The path '{}' has a '%' that does not begin an encoded "
                                    "character.",
                                    text)};
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

[[noreturn]] void throw_malformed(const beast::error_code& error) {
  throw HttpProblem{400, "bad_request",
                    fmt::format("This is not a valid HTTP/1.1 request: {}.", error.message())};
}

}  // namespace

/// Beast's parser calls back for each part. It counts neither headers nor the bytes of a head that
/// comes in pieces; and whatever these functions throw comes out of put().
class RequestParser::Parser : public http::basic_parser<true> {
 public:
  explicit Parser(const HttpBounds& limits) : bounds(limits) {
    header_limit(static_cast<uint32_t>(bounds.header_bytes_max));
    body_limit(boost::none);  // counted here
  }

  void check_head_bytes(size_t more) const {
    if (head_bytes + more <= bounds.header_bytes_max) return;
    throw HttpProblem{
        431, "headers_too_large",
        fmt::format("Request line and headers have more than {} bytes.", bounds.header_bytes_max)};
  }

  void add_to_body(beast::string_view piece) {
    if (piece.size() > body_bytes_max - request.body.size()) throw_too_large();
    request.body.append(piece.data(), piece.size());
  }

  [[noreturn]] void throw_too_large() const {
    throw HttpProblem{
        413, "request_too_large",
        fmt::format("The body of the request has more than {} bytes.", body_bytes_max)};
  }

  HttpBounds bounds;
  HttpRequest request;
  bool http11 = true;
  size_t head_bytes = 0;
  size_t body_bytes_max = 0;

 private:
  using Error = beast::error_code;
  using View = beast::string_view;

  void on_request_impl(http::verb, View method, View target, int version, Error&) override {
    http11 = version == 11;
    request.method = std::string(method);
    request.path = std::string(target);  // taken apart with the Host known
  }

  void on_response_impl(int, View, int, Error&) override {}

  void on_field_impl(http::field, View name, View value, Error&) override {
    if (is_header_done()) return;  // a trailer; nobody asks for those
    if (request.headers.size() == bounds.header_count_max) {
      throw HttpProblem{
          431, "headers_too_large",
          fmt::format("The request has more than {} headers.", bounds.header_count_max)};
    }
    request.headers.emplace_back(name, value);
  }

  void on_header_impl(Error&) override {
    check_framing();
    check_host();
    set_target();
  }

  void check_framing() const {
    const std::string_view coding = request.header("Transfer-Encoding");
    if (coding.empty()) return;
    if (!http11 || !beast::iequals(coding, "chunked")) {
      throw HttpProblem{400, "bad_transfer_encoding",
                        fmt::format("The transfer coding '{}' is not supported. Send the body "
                                    "with Content-Length, or chunked over HTTP/1.1.",
                                    coding)};
    }
  }

  void check_host() const {
    const auto is_host = [](const auto& header) { return beast::iequals(header.first, "Host"); };
    const auto count = std::ranges::count_if(request.headers, is_host);
    if (count > 1 || (http11 && count == 0)) {
      throw HttpProblem{400, "bad_host", "A request names one Host; this one does not."};
    }
  }

  void set_target() {
    std::string target = std::exchange(request.path, "");
    if (target == "*" && request.method == "OPTIONS") {
      request.path = target;
      return;
    }
    if (!target.starts_with('/')) target = without_authority(target);
    const size_t question = std::min(target.find('?'), target.size());
    request.path = percent_decoded(std::string_view(target).substr(0, question));
    if (question < target.size()) request.query = target.substr(question + 1);
  }

  /// "http://host/path" is what a proxy would be asked for; the host has to be the named one.
  std::string without_authority(const std::string& target) const {
    const size_t scheme = target.find("://");
    const size_t host = scheme == std::string::npos ? target.size() : scheme + 3;
    const size_t path = std::min(target.find_first_of("/?", host), target.size());
    const std::string authority = target.substr(host, path - host);
    const std::string name = target.substr(0, std::min(scheme, target.size()));
    if (!(beast::iequals(name, "http") || beast::iequals(name, "https")) || authority.empty() ||
        (http11 && !beast::iequals(authority, request.header("Host")))) {
      throw HttpProblem{400, "bad_target",
                        fmt::format("The target '{}' is not a path of this server.", target)};
    }
    const std::string rest = target.substr(path);
    return rest.starts_with('/') ? rest : "/" + rest;
  }

  void on_body_init_impl(boost::optional<uint64_t> const& length, Error&) override {
    if (length) request.body.reserve(std::min<uint64_t>(*length, kReserveMax));
  }

  size_t on_body_impl(View body, Error&) override {
    add_to_body(body);
    return body.size();
  }

  void on_chunk_header_impl(uint64_t size, View, Error&) override {
    if (size > body_bytes_max - request.body.size()) throw_too_large();
  }

  size_t on_chunk_body_impl(uint64_t, View body, Error&) override {
    add_to_body(body);
    return body.size();
  }

  void on_finish_impl(Error&) override {}
};

RequestParser::RequestParser(const HttpBounds& bounds)
    : parser_(std::make_unique<Parser>(bounds)) {}

RequestParser::~RequestParser() = default;

void RequestParser::take(std::string& input) {
  Parser& parser = *parser_;
  const bool in_head = !parser.is_header_done();
  size_t taken = 0;
  while (taken < input.size() && !parser.is_done() && parser.is_header_done() != in_head) {
    beast::error_code error;
    const size_t bytes =
        parser.put(boost::asio::const_buffer(input.data() + taken, input.size() - taken), error);
    taken += bytes;
    if (in_head) {
      parser.check_head_bytes(bytes);
      parser.head_bytes += bytes;
    }
    if (error == http::error::need_more) break;
    if (error == http::error::header_limit)
      parser.check_head_bytes(parser.bounds.header_bytes_max + 1);
    if (error) throw_malformed(error);
  }
  input.erase(0, taken);
  if (parser.is_done()) return;
  if (!parser.is_header_done()) {
    parser.check_head_bytes(input.size());
  } else if (!in_head && input.size() > kChunkHeadMax) {
    throw HttpProblem{400, "bad_request", "A chunk of the body begins with too long a line."};
  }
}

bool RequestParser::head_done() const { return parser_->is_header_done(); }
bool RequestParser::done() const { return parser_->is_done(); }
bool RequestParser::is_http11() const { return parser_->http11; }
bool RequestParser::started() const { return parser_->got_some(); }
HttpRequest& RequestParser::request() { return parser_->request; }

void RequestParser::limit_body(size_t bytes_max) {
  parser_->body_bytes_max = bytes_max;
  const auto length = parser_->content_length();
  if (length && *length > bytes_max) parser_->throw_too_large();
}

bool RequestParser::has_length() const {
  return parser_->content_length().has_value() || parser_->chunked();
}

bool RequestParser::keep_alive() const {
  return parser_->is_header_done() && parser_->keep_alive();
}

}  // namespace hearth
