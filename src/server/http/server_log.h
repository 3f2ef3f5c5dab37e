// What happened to requests, for whoever runs the server: errors, and a line for each answer if
// wanted. Lines are handed to a thread that writes them, so that no disk or pipe holds a server up;
// where it cannot keep up, the oldest are lost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace hearth {

/// One exchange, once it has ended.
struct AccessRecord {
  std::string id;
  std::string client;
  std::string method;
  std::string path;  // without the query, which may hold secrets
  int status = 0;
  bool complete = false;  // the client took all of the answer
  uint64_t bytes_in = 0;  // of the body
  uint64_t bytes_out = 0;
  double first_byte_seconds = 0;  // since the request began
  double seconds = 0;
};

struct ServerLogOptions {
  enum class Access : uint8_t { kOff, kPlain, kJson };
  Access access = Access::kOff;
  std::filesystem::path file = {};  // appended to; empty: stderr
};

class ServerLog {
 public:
  /// Throws UsageError when the file cannot be written.
  explicit ServerLog(ServerLogOptions options);
  ~ServerLog();  // writes what is left

  void access(const AccessRecord& record);
  /// `id` of the request at fault; may be empty.
  void error(const std::string& id, const std::string& message);

  bool logs_access() const { return options_.access != ServerLogOptions::Access::kOff; }

 private:
  struct Writer;

  ServerLogOptions options_;
  std::unique_ptr<Writer> writer_;
};

}  // namespace hearth
