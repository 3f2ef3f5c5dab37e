#include "app/batch_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "app/text_file.h"
#include "base/error.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

std::string read_all(const std::string& path) {
  return read_text_file(path, "Give a file of JSON lines.");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

[[noreturn]] void refuse(const std::string& path, size_t index) {
  throw UsageError(
      fmt::format("{}: line {} does not answer line {} of the input. To answer this input, give "
                  "another --output or remove that file.",
                  path, index + 1, index + 1));
}

}  // namespace

std::vector<std::string> read_lines(const std::string& path) { return lines_of(read_all(path)); }

std::string line_hash(const std::string& line) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : line) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  }
  return fmt::format("{:016x}", hash);
}

OrderedOutput::OrderedOutput(const std::string& path, const std::vector<std::string>& input)
    : path_(path) {
  std::string text = std::filesystem::exists(path) ? read_all(path) : "";
  const size_t whole = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  if (whole < text.size()) {
    std::filesystem::resize_file(path, whole);
    text.resize(whole);
  }
  const std::vector<std::string> answers = lines_of(text);
  for (size_t i = 0; i < answers.size(); ++i) {
    const Json answer = Json::parse(answers[i], nullptr, false);
    const bool fits = i < input.size() && answer.is_object() &&
                      answer.value("input_hash", "") == line_hash(input[i]);
    if (!fits) refuse(path, i);
  }
  first_ = next_ = static_cast<int64_t>(answers.size());
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) throw Error(ExitCode::kFailure, fmt::format("{}: {}", path, std::strerror(errno)));
}

void OrderedOutput::put(int64_t index, Json answer) {
  waiting_.emplace(index, answer.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  for (auto ready = waiting_.begin(); ready != waiting_.end() && ready->first == next_;
       ready = waiting_.erase(ready), ++next_) {
    const std::string& line = ready->second;
    const bool good = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                      std::fflush(file_.get()) == 0;
    if (!good) {
      throw Error(ExitCode::kFailure,
                  fmt::format("{}: {}. The answers before are kept; run the same command again "
                              "once there is room.",
                              path_, std::strerror(errno)));
    }
  }
}

}  // namespace hearth
