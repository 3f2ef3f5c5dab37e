// One request, from the bytes of a connection. Strict where leniency has hurt others: two lengths,
// unknown transfer codings, more than one Host.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/http/exchange.h"
#include "server/http/http_options.h"

namespace hearth {

class RequestParser {
 public:
  explicit RequestParser(const HttpBounds& bounds);
  ~RequestParser();

  /// Takes what belongs to this request off the front: up to the end of the head at first, then,
  /// with further calls, the body. Throws HttpProblem.
  void take(std::string& input);

  bool head_done() const;
  bool done() const;

  /// Once the head is done. Bodies are unlimited until then.
  void limit_body(size_t bytes_max);
  bool has_length() const;  // Content-Length or chunked
  bool keep_alive() const;
  bool is_http11() const;
  bool started() const;  // has taken anything

  /// What is known so far; `id` and `client` are left to the connection.
  HttpRequest& request();

 private:
  class Parser;

  std::unique_ptr<Parser> parser_;
};

}  // namespace hearth
