#include "app/generate_output.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/model_bandwidth.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

double prefill_rate(const GenerationUsage& usage) {
  return static_cast<double>(usage.prompt_tokens - usage.cached_tokens) / usage.prefill_seconds;
}

std::string answer_text(const TextAnswer& answer, const GenerateStatistics& s) {
  const double rate = answer.usage().decode_tokens_per_s();
  const double bytes_per_s = rate * s.bytes_per_token;
  return fmt::format("{:.1f} tokens/s, {:.1f} GB/s{}", rate, bytes_per_s / 1e9,
                     bandwidth_share_text(bytes_per_s, s.bandwidth));
}

/// Several answers share the weights that a step reads: how many bytes those are is not known.
std::string answers_text(int64_t tokens, const GenerateStatistics& s) {
  const double rate = s.answer_seconds > 0 ? static_cast<double>(tokens) / s.answer_seconds : 0.0;
  return fmt::format("{:.1f} tokens/s together", rate);
}

Json usage_json(const TextAnswer& answer) {
  const GenerationUsage& usage = answer.usage();
  return {{"prompt_tokens", usage.prompt_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"prefill_tokens_per_s", prefill_rate(usage)},
          {"generated_tokens", usage.generated_tokens},
          {"reasoning_tokens", answer.thinking_tokens()},
          {"decode_tokens_per_s", usage.decode_tokens_per_s()}};
}

Json run_json(const TextAnswer& answer, const GenerateStatistics& s) {
  const double bytes_per_s = answer.usage().decode_tokens_per_s() * s.bytes_per_token;
  const bool known = s.bandwidth > 0;
  return {{"load_seconds", s.load_seconds},
          {"first_token_seconds", s.first_token_seconds},
          {"decode_gigabytes_per_s", bytes_per_s / 1e9},
          {"read_bandwidth_gigabytes_per_s", known ? Json(s.bandwidth / 1e9) : Json()},
          {"bandwidth_share", known ? Json(bytes_per_s / s.bandwidth) : Json()},
          {"anonymous_memory_bytes", s.anonymous_bytes},
          {"memory", s.memory},
          {"weights", s.precision},
          {"logits_hash", fmt::format("{:016x}", s.logits_hash)}};
}

}  // namespace

void AnswerPrinter::show(int64_t choice, const OutputPiece& piece) {
  const OutputPiece seen = visible_part(piece, options_.view);
  if (choice == current_) print(seen);
  else waiting_[static_cast<size_t>(choice)].push_back(seen);
}

void AnswerPrinter::advance() {
  while (current_ < choices_.count() && choices_.answer(current_).finished()) {
    begin();
    close_thinking();
    write("\n");
    begun_ = false;
    if (++current_ == choices_.count()) return;
    for (const OutputPiece& piece : waiting_[static_cast<size_t>(current_)]) print(piece);
    waiting_[static_cast<size_t>(current_)].clear();
  }
}

void AnswerPrinter::print(const OutputPiece& piece) {
  begin();
  if (!piece.thinking.empty()) {
    if (options_.view == ThinkingView::kShow && !thinking_) write("<think>\n");
    thinking_ = true;
    write(piece.thinking);
  }
  if (!piece.answer.empty()) {
    close_thinking();
    write(piece.answer);
  }
}

/// What stands before an answer of several: a heading for people, an empty line elsewhere.
void AnswerPrinter::begin() {
  if (begun_) return;
  begun_ = true;
  if (choices_.count() == 1) return;
  if (current_ > 0) write("\n");
  if (!options_.headings) return;
  const std::string heading = fmt::format("Answer {} of {}, seed {}", current_ + 1,
                                          choices_.count(), choices_.seed(current_));
  write(options_.style.apply(kBold, heading) + "\n");
}

void AnswerPrinter::close_thinking() {
  if (options_.view == ThinkingView::kShow && thinking_) write("\n</think>\n\n");
  thinking_ = false;
}

void print_statistics(const Choices& choices, const GenerateStatistics& s) {
  int64_t tokens = 0;
  int64_t thinking_tokens = 0;
  for (int64_t i = 0; i < choices.count(); ++i) {
    tokens += choices.answer(i).usage().generated_tokens;
    thinking_tokens += choices.answer(i).thinking_tokens();
  }
  const GenerationUsage& first = choices.answer(0).usage();
  const bool one = choices.count() == 1;
  const std::string thinking =
      thinking_tokens > 0 ? fmt::format(" ({} of reasoning)", thinking_tokens) : "";
  fmt::print(stderr,
             "load {:.2f} s, first token after {:.2f} s | prompt: {} tokens, {:.1f} tokens/s | "
             "{}: {} tokens{}, {} | anonymous memory {:.0f} MB | {} | weights {} | logits "
             "{:016x}\n",
             s.load_seconds, s.first_token_seconds, first.prompt_tokens, prefill_rate(first),
             one ? "answer" : fmt::format("{} answers", choices.count()), tokens, thinking,
             one ? answer_text(choices.answer(0), s) : answers_text(tokens, s),
             static_cast<double>(s.anonymous_bytes) / 1e6, s.residency, s.precision, s.logits_hash);
}

void print_json(const Choices& choices, const GenerateStatistics& statistics, ThinkingView view) {
  Json all = Json::array();
  for (int64_t i = 0; i < choices.count(); ++i) {
    const TextAnswer& answer = choices.answer(i);
    const OutputPiece seen = visible_part({answer.thinking(), answer.answer()}, view);
    Json result = {{"text", seen.answer}};
    if (!seen.thinking.empty()) result["reasoning"] = seen.thinking;
    result["stop"] = answer.finish_reason();
    result["seed"] = choices.seed(i);
    result["statistics"] = usage_json(answer);
    if (choices.count() == 1) result["statistics"].update(run_json(answer, statistics));
    all.push_back(std::move(result));
  }
  const Json& printed = choices.count() == 1 ? all.front() : all;
  fmt::print("{}\n", printed.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace hearth
