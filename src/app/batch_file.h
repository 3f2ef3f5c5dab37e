// The two files of a batch: the lines to answer, and the answers so far, in the same order.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hearth {

/// The lines of a file, without their line ends; an empty last one does not count. Throws
/// UsageError.
std::vector<std::string> read_lines(const std::string& path);

/// FNV-1a-64 of a text, as 16 hexadecimal digits: tells an answer's own line of the input.
std::string line_hash(const std::string& line);

/// Writes answers as JSON lines in the order of the input, whichever is ready first; each is on its
/// way to the disk before the next.
class OrderedOutput {
 public:
  /// Opens the file and keeps the answers that it has. A last line without its end was being
  /// written when a run was killed: it is cut off. Throws UsageError when an answer is not that of
  /// its line of the input, and Error when the file cannot be written.
  OrderedOutput(const std::string& path, const std::vector<std::string>& input);

  /// Answers that were there.
  int64_t first() const { return first_; }
  /// Answers that are written.
  int64_t written() const { return next_; }

  /// Takes the answer to the line at `index`, each once. Throws Error when it cannot be written.
  void put(int64_t index, nlohmann::ordered_json answer);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::map<int64_t, std::string> waiting_;  // lines, until those before them are there
  int64_t first_ = 0;
  int64_t next_ = 0;
};

}  // namespace hearth
