// What hearth generate prints: answers on standard output, statistics on standard error.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/choices.h"
#include "app/generation_flags.h"
#include "console/style.h"

namespace hearth {

/// Answers in the order of their numbers: one as it comes, with what the later ones have said
/// meanwhile kept back. Reasoning stands between its marks, unless it is alone.
class AnswerPrinter {
 public:
  struct Options {
    ThinkingView view = ThinkingView::kShow;
    bool headings = false;  // above each answer of several
    Style style{false};
  };

  AnswerPrinter(const Choices& choices, const Options& options)
      : choices_(choices), options_(options), waiting_(static_cast<size_t>(choices.count())) {}

  void show(int64_t choice, const OutputPiece& piece);
  /// To be called between steps: ends answers that have ended, and begins the next.
  void advance();

 private:
  void print(const OutputPiece& piece);
  void begin();
  void close_thinking();

  const Choices& choices_;
  Options options_;
  std::vector<std::vector<OutputPiece>> waiting_;  // of answers whose turn has not come
  int64_t current_ = 0;
  bool begun_ = false;
  bool thinking_ = false;
};

/// What a run cost.
struct GenerateStatistics {
  double load_seconds = 0;
  double first_token_seconds = 0;  // from the start of the command
  double answer_seconds = 0;       // from the first token to the last of all answers
  double bytes_per_token = 0;      // of weights, of one answer decoded alone
  double bandwidth = 0;            // of the machine, bytes per second; 0: not known
  uint64_t logits_hash = 0;        // of the last step
  std::string precision;           // precision_text
  std::string residency;           // residency_text
  nlohmann::ordered_json memory;   // memory_json
  uint64_t anonymous_bytes = 0;    // at the end, with the model still loaded
};

/// A line on standard error.
void print_statistics(const Choices& choices, const GenerateStatistics& statistics);

/// An object for one answer, an array of them for several.
void print_json(const Choices& choices, const GenerateStatistics& statistics, ThinkingView view);

}  // namespace hearth
