// HTTP over libcurl: one request at a time, redirects followed by hand, so that it can be seen here
// that the token goes to the Hub's own host and to no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"

namespace hearth {

/// Whatever goes wrong between here and a server, and what a server refuses.
class NetworkError : public Error {
 public:
  explicit NetworkError(const std::string& message, bool retryable = false,
                        double retry_after_seconds = 0)
      : Error(ExitCode::kNetwork, message),
        retryable_(retryable),
        retry_after_seconds_(retry_after_seconds) {}
  /// Whether the same request may succeed later.
  bool retryable() const { return retryable_; }
  /// How long the server asks to wait; 0: it does not say.
  double retry_after_seconds() const { return retry_after_seconds_; }

 private:
  bool retryable_;
  double retry_after_seconds_;
};

/// The user ended what was going on.
class CancelledError : public Error {
 public:
  explicit CancelledError(const std::string& message) : Error(ExitCode::kCancelled, message) {}
};

/// Bytes [begin, end) of a file.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

/// Whether to give up. Empty: never.
using StopCheck = std::function<bool()>;

struct TransferRequest {
  std::string url;
  bool head = false;
  std::optional<ByteRange> range = {};
};

struct TransferResponse {
  long status = 0;
  std::map<std::string, std::string> headers;  // by lower-case name
  std::string url;                             // that answered
  double retry_after_seconds = 0;

  /// Empty when absent.
  std::string header(const std::string& lower_case_name) const;
  bool is_redirect() const;
  /// Content-Length or the like; nothing when absent or no number.
  std::optional<uint64_t> number(const std::string& lower_case_name) const;
};

/// What becomes of a body. Both may throw; that ends the transfer.
struct BodySink {
  std::function<void(const TransferResponse&)> begin;  // once, before the first byte
  std::function<void(std::span<const std::byte>)> write;
};

/// "https://host:port", with the port spelled out. Throws NetworkError for what is no http or https
/// URL.
std::string origin_of(const std::string& url);

struct HttpSettings {
  std::string endpoint;  // its host, and only that, gets the token
  std::string token;     // empty: none
  double connect_seconds = 15;
  double stall_seconds = 30;  // a transfer with less than a byte a second for so long has failed
  StopCheck stop;             // asked several times a second
};

/// One connection after another. Not for several threads at once.
class HttpClient {
 public:
  explicit HttpClient(HttpSettings settings);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  /// One exchange, without following redirects. Throws NetworkError when there is no whole answer
  /// (an answer of any status is one), CancelledError, and what the sink throws. The sink is called
  /// for status 200 and 206 only.
  TransferResponse exchange(const TransferRequest& request, const BodySink& sink = {});

  /// The same, through up to ten redirects to http and https; never from https to http.
  TransferResponse follow(TransferRequest request, const BodySink& sink = {});

  /// Where a redirect leads, as a whole URL.
  static std::string redirect_target(const TransferResponse& response);

 private:
  struct Handle;
  HttpSettings settings_;
  std::string trusted_origin_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace hearth
