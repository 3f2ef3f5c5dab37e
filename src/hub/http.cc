#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "checkpoint/printable.h"

namespace hearth {
namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaderBytes = 256 * 1024;

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// A part of a URL; empty when it has none.
std::string url_part(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  std::string result = text;
  curl_free(text);
  return result;
}

/// Parses a URL; `relative`, if any, is then resolved against it.
Url parse_url(const std::string& text, const std::string& relative = "") {
  Url url(curl_url());
  CHECK(url);
  CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  if (code == CURLUE_OK && !relative.empty()) {
    code = curl_url_set(url.get(), CURLUPART_URL, relative.c_str(), 0);
  }
  const std::string scheme = url_part(url, CURLUPART_SCHEME);
  if (code != CURLUE_OK || (scheme != "http" && scheme != "https")) {
    throw NetworkError(printable(relative.empty() ? text : relative) +
                       " is no http or https address.");
  }
  return url;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

/// Whether trying again can help.
bool is_passing(CURLcode code) {
  constexpr std::array kPassing = {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
                                   CURLE_COULDNT_CONNECT,      CURLE_PARTIAL_FILE,
                                   CURLE_OPERATION_TIMEDOUT,   CURLE_GOT_NOTHING,
                                   CURLE_SEND_ERROR,           CURLE_RECV_ERROR,
                                   CURLE_SSL_CONNECT_ERROR,    CURLE_HTTP2,
                                   CURLE_HTTP2_STREAM};
  return std::find(kPassing.begin(), kPassing.end(), code) != kPassing.end();
}

void initialise_curl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(once == CURLE_OK);
}

}  // namespace

std::string TransferResponse::header(const std::string& lower_case_name) const {
  const auto it = headers.find(lower_case_name);
  return it == headers.end() ? "" : it->second;
}

bool TransferResponse::is_redirect() const {
  return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
         headers.contains("location");
}

std::optional<uint64_t> TransferResponse::number(const std::string& lower_case_name) const {
  const std::string text = header(lower_case_name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string origin_of(const std::string& text) {
  const Url url = parse_url(text);
  return lower_case(fmt::format("{}://{}:{}", url_part(url, CURLUPART_SCHEME),
                                url_part(url, CURLUPART_HOST),
                                url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)));
}

/// The curl handle, and what its callbacks need during an exchange.
struct HttpClient::Handle {
  CURL* curl = nullptr;
  StopCheck stop;
  const BodySink* sink = nullptr;
  TransferResponse response;
  size_t header_bytes = 0;
  bool body_begun = false;
  std::exception_ptr error;  // thrown by the sink

  Handle() : curl(curl_easy_init()) { CHECK(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }

  template <typename Value>
  void set(CURLoption option, Value value) {
    CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK);
  }

  void begin_body() {
    if (std::exchange(body_begun, true) || !sink->begin) return;
    sink->begin(response);
  }

  bool wants_body() {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    return response.status == 200 || response.status == 206;
  }

  /// Counts of bytes taken; another count than given ends the transfer.
  static size_t on_header(char* data, size_t, size_t count, void* self_pointer) {
    auto& self = *static_cast<Handle*>(self_pointer);
    const std::string_view line(data, count);
    self.header_bytes += count;
    if (self.header_bytes > kMaxHeaderBytes) return 0;
    // Each answer, also a "100 Continue" or a proxy's, begins with a line of this kind.
    if (line.starts_with("HTTP/")) self.response.headers.clear();
    const size_t colon = line.find(':');
    if (colon == line.npos) return count;
    self.response.headers[lower_case(trimmed(line.substr(0, colon)))] =
        trimmed(line.substr(colon + 1));
    return count;
  }

  static size_t on_body(char* data, size_t, size_t count, void* self_pointer) {
    auto& self = *static_cast<Handle*>(self_pointer);
    if (!self.wants_body()) return count;
    try {
      self.begin_body();
      if (self.sink->write) self.sink->write(std::as_bytes(std::span(data, count)));
    } catch (...) {
      self.error = std::current_exception();
      return count == 0 ? 1 : 0;
    }
    return count;
  }

  static int on_progress(void* self_pointer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& self = *static_cast<const Handle*>(self_pointer);
    return self.stop && self.stop() ? 1 : 0;
  }
};

HttpClient::HttpClient(HttpSettings settings) : settings_(std::move(settings)) {
  initialise_curl();
  trusted_origin_ = origin_of(settings_.endpoint);
  handle_ = std::make_unique<Handle>();
  handle_->stop = settings_.stop;
}

HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

TransferResponse HttpClient::exchange(const TransferRequest& request, const BodySink& sink) {
  Handle& handle = *handle_;
  curl_easy_reset(handle.curl);  // keeps the connections
  handle.sink = &sink;
  handle.response = {};
  handle.response.url = request.url;
  handle.header_bytes = 0;
  handle.body_begun = false;
  handle.error = nullptr;

  std::unique_ptr<curl_slist, FreeList> lines;
  const auto add_line = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(lines.get(), line.c_str());
    CHECK(longer);
    (void)lines.release();
    lines.reset(longer);
  };
  add_line("Accept-Encoding: identity");  // what is hashed is the file, not a compressed one
  if (!settings_.token.empty() && origin_of(request.url) == trusted_origin_) {
    add_line("Authorization: Bearer " + settings_.token);
  }
  if (request.range) {
    add_line(fmt::format("Range: bytes={}-{}", request.range->begin, request.range->end - 1));
  }
  handle.set(CURLOPT_URL, request.url.c_str());
  handle.set(CURLOPT_HTTPHEADER, lines.get());
  handle.set(CURLOPT_NOBODY, request.head ? 1L : 0L);
  handle.set(CURLOPT_PROTOCOLS_STR, "http,https");
  handle.set(CURLOPT_USERAGENT, "hearth");
  handle.set(CURLOPT_NOSIGNAL, 1L);
  handle.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings_.connect_seconds * 1000));
  handle.set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  handle.set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(settings_.stall_seconds)));
  handle.set(CURLOPT_BUFFERSIZE, 256L * 1024);
  handle.set(CURLOPT_HEADERFUNCTION, &Handle::on_header);
  handle.set(CURLOPT_HEADERDATA, &handle);
  handle.set(CURLOPT_WRITEFUNCTION, &Handle::on_body);
  handle.set(CURLOPT_WRITEDATA, &handle);
  handle.set(CURLOPT_XFERINFOFUNCTION, &Handle::on_progress);
  handle.set(CURLOPT_XFERINFODATA, &handle);
  handle.set(CURLOPT_NOPROGRESS, 0L);
  std::array<char, CURL_ERROR_SIZE> detail{};
  handle.set(CURLOPT_ERRORBUFFER, detail.data());

  const CURLcode code = curl_easy_perform(handle.curl);
  handle.set(CURLOPT_ERRORBUFFER, nullptr);
  if (handle.error) std::rethrow_exception(handle.error);
  if (code == CURLE_ABORTED_BY_CALLBACK) throw CancelledError("Interrupted.");
  if (code != CURLE_OK) {
    const std::string reason = detail[0] != '\0' ? detail.data() : curl_easy_strerror(code);
    throw NetworkError(fmt::format("{}: {}.", origin_of(request.url), reason), is_passing(code));
  }
  const bool body = handle.wants_body();
  if (body && !request.head) handle.begin_body();  // of no bytes
  curl_off_t wait = 0;
  curl_easy_getinfo(handle.curl, CURLINFO_RETRY_AFTER, &wait);
  handle.response.retry_after_seconds = static_cast<double>(wait);
  return std::move(handle.response);
}

std::string HttpClient::redirect_target(const TransferResponse& response) {
  const Url target = parse_url(response.url, response.header("location"));
  const Url from = parse_url(response.url);
  if (url_part(from, CURLUPART_SCHEME) == "https" &&
      url_part(target, CURLUPART_SCHEME) != "https") {
    throw NetworkError(origin_of(response.url) + " redirects from https to http; refused.");
  }
  return url_part(target, CURLUPART_URL);
}

TransferResponse HttpClient::follow(TransferRequest request, const BodySink& sink) {
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    TransferResponse response = exchange(request, sink);
    if (!response.is_redirect()) return response;
    request.url = redirect_target(response);
  }
  throw NetworkError(
      fmt::format("{} redirects more than {} times.", origin_of(request.url), kMaxRedirects));
}

}  // namespace hearth
