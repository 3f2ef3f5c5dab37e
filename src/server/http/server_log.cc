#include "server/http/server_log.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace hearth {
namespace {

constexpr size_t kLinesMax = 8192;  // that wait to be written

/// UTC with milliseconds.
std::string time_now() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto millis = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), millis);
}

std::string to_line(const nlohmann::ordered_json& fields) {
  return fields.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// A client chooses its path: what would start a new line or move a cursor is written as bytes.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? fmt::format("%{:02X}", byte) : std::string(1, c);
  }
  return out;
}

std::string json_line(const AccessRecord& record) {
  return to_line({{"time", time_now()},
                  {"id", record.id},
                  {"client", record.client},
                  {"method", record.method},
                  {"path", record.path},
                  {"status", record.status},
                  {"complete", record.complete},
                  {"bytes_in", record.bytes_in},
                  {"bytes_out", record.bytes_out},
                  {"first_byte_seconds", record.first_byte_seconds},
                  {"seconds", record.seconds}});
}

std::string plain_line(const AccessRecord& record) {
  return fmt::format("{} {} {} {} {} {} B in, {} B out, {:.3f} s{} [{}]", time_now(), record.client,
                     record.method, printable(record.path), record.status, record.bytes_in,
                     record.bytes_out, record.seconds, record.complete ? "" : ", cut", record.id);
}

spdlog::sink_ptr make_sink(const std::filesystem::path& file) {
  if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
  } catch (const spdlog::spdlog_ex& error) {
    throw UsageError(fmt::format("the log {} cannot be written: {}. Choose another file.",
                                 file.string(), error.what()));
  }
}

}  // namespace

struct ServerLog::Writer {
  explicit Writer(const std::filesystem::path& file)
      : threads(std::make_shared<spdlog::details::thread_pool>(kLinesMax, 1)),
        logger(std::make_shared<spdlog::async_logger>(
            "hearth", make_sink(file), threads, spdlog::async_overflow_policy::overrun_oldest)) {
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);  // by that thread: a line is there to be read at once
  }

  void write(const std::string& line) { logger->log(spdlog::level::info, line); }

  std::shared_ptr<spdlog::details::thread_pool> threads;
  std::shared_ptr<spdlog::async_logger> logger;
};

ServerLog::ServerLog(ServerLogOptions options)
    : options_(std::move(options)), writer_(std::make_unique<Writer>(options_.file)) {}

ServerLog::~ServerLog() = default;

void ServerLog::access(const AccessRecord& record) {
  if (!logs_access()) return;
  const bool is_json = options_.access == ServerLogOptions::Access::kJson;
  writer_->write(is_json ? json_line(record) : plain_line(record));
}

void ServerLog::error(const std::string& id, const std::string& message) {
  if (options_.access == ServerLogOptions::Access::kJson) {
    writer_->write(to_line({{"time", time_now()}, {"id", id}, {"error", message}}));
  } else {
    writer_->write(fmt::format("{} error: {}{}", time_now(), printable(message),
                               id.empty() ? "" : fmt::format(" [{}]", id)));
  }
}

}  // namespace hearth
