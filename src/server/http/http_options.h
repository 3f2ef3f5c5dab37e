// What a server lets clients do, and for how long.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace hearth {

class ServerLog;

/// Bounds in bytes or counts. What is above gets an answer of the 400s, unless said otherwise.
struct HttpBounds {
  size_t header_bytes_max = 16 << 10;  // of the request line and all headers
  size_t header_count_max = 100;
  size_t connections_max = 16'384;        // more get a 503; fewer where descriptors are short
  size_t bodies_bytes_max = 1 << 30;      // of all requests together; more get a 503
  size_t body_rate_min = 4 << 10;         // bytes each second, on average, after body_time
  size_t queue_bytes = 64 << 10;          // of a stream: Exchange::congested()
  size_t queue_bytes_max = 16 << 20;      // of a stream: whoever writes on is cut off
  size_t pipelined_bytes_max = 64 << 10;  // read ahead while an answer is pending
};

/// How long each phase of a connection may take.
struct HttpTimes {
  using Duration = std::chrono::milliseconds;

  Duration header = std::chrono::seconds(10);   // also of a TLS handshake, and for the first byte
  Duration body = std::chrono::seconds(10);     // beyond what body_rate_min allows
  Duration idle = std::chrono::seconds(75);     // between two requests
  Duration send = std::chrono::seconds(30);     // without the client taking a byte; cut before 2x
  Duration linger = std::chrono::seconds(2);    // for what a client still sends to a closed ear
  Duration drain = std::chrono::seconds(30);    // for running exchanges, after stop()
  Duration comment = std::chrono::seconds(15);  // of silence in a stream of events
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address or a name
  uint16_t port = 8080;            // 0: any that is free
  std::vector<std::string> api_keys = {};
  bool insecure = false;  // may be reached from outside without a key
  /// Other origins whose pages may call, e.g. "https://example.org"; "*" for all.
  std::vector<std::string> allowed_origins = {};
  /// Other names that clients on this machine may reach a loopback server by; "*" for all.
  std::vector<std::string> allowed_hosts = {};
  /// PEM files; both or none. With them the server speaks TLS only.
  std::filesystem::path certificate = {};
  std::filesystem::path private_key = {};
  HttpBounds bounds = {};
  HttpTimes times = {};
  /// None: errors go to stderr, accesses nowhere.
  std::shared_ptr<ServerLog> log = nullptr;
};

/// Refuses to serve the world without a key, unless told to: UsageError. Does not look names up.
void check_exposure(const HttpServerOptions& options);

/// An address or name that only this machine reaches, without a port.
bool is_loopback_host(const std::string& host);

}  // namespace hearth
