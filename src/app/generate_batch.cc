#include "app/generate_batch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "app/batch_file.h"
#include "app/choices.h"
#include "app/text_engine.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/interrupts.h"
#include "console/style.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

/// A line of the input, understood, or why it is not.
struct Task {
  int64_t index = 0;
  std::string hash;  // of the line
  Json id;           // null: none
  ChatPrompt prompt;
  int64_t max_tokens = 0;
  int64_t choices = 1;
  SamplingParameters sampling;
  std::string error;

  int64_t tokens() const { return static_cast<int64_t>(prompt.tokens.size()) + max_tokens; }
};

Json messages_of(const Json& line, const GenerationFlags& flags) {
  const bool has_prompt = line.contains("prompt");
  if (has_prompt == line.contains("messages")) {
    throw UsageError("it needs one of `prompt` and `messages`.");
  }
  if (!has_prompt) {
    if (!line["messages"].is_array()) throw UsageError("`messages` is not an array.");
    return line["messages"];
  }
  if (!line["prompt"].is_string()) throw UsageError("`prompt` is not a text.");
  Json messages = Json::array();
  if (!flags.system.empty()) messages.push_back({{"role", "system"}, {"content", flags.system}});
  messages.push_back({{"role", "user"}, {"content", line["prompt"]}});
  return messages;
}

int64_t number_of(const Json& line, const char* key, int64_t absent, int64_t most,
                  const char* why) {
  if (!line.contains(key)) return absent;
  const Json& value = line[key];
  if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > most) {
    throw UsageError(fmt::format("`{}` is not a number from 1 to {}{}.", key, most, why));
  }
  return value.get<int64_t>();
}

/// The functions that the model may call, for its template; null: none.
Json tools_of(const Json& line) {
  if (!line.contains("tools") || line["tools"].is_null()) return {};
  const Json& tools = line["tools"];
  const auto is_object = [](const Json& tool) { return tool.is_object(); };
  if (!tools.is_array() || !std::all_of(tools.begin(), tools.end(), is_object)) {
    throw UsageError("`tools` is not an array of objects.");
  }
  return tools;
}

/// Fills the task from its line. Throws what is wrong with it.
void read_task(const std::string& text, const GenerationFlags& flags,
               const SamplingParameters& sampling, const ModelConfig& config, ChatFormat& format,
               Task& task) {
  const Json line = Json::parse(text, nullptr, false);
  if (!line.is_object()) throw UsageError("it is not a JSON object.");
  if (line.contains("id")) task.id = line["id"];
  task.sampling = sampling;
  set_from_json(task.sampling, nlohmann::json(line));
  check_sampling(task.sampling, config.vocab_size);
  task.max_tokens = number_of(line, "max_tokens", flags.max_tokens, flags.max_tokens, " (-n)");
  task.choices = number_of(line, "n", 1, kMostChoices, "");
  task.prompt = format.prompt(messages_of(line, flags), tools_of(line));
  check_context(config, task.prompt, task.max_tokens);
}

class BatchRun {
 public:
  BatchRun(const GenerationFlags& flags, const BatchOptions& options)
      : flags_(flags),
        options_(options),
        lines_(read_lines(options.input)),
        output_(options.output, lines_) {}

  void run() {
    const int64_t count = static_cast<int64_t>(lines_.size());
    if (output_.first() == count) return report();
    TextEngine text(
        flags_, [&](const ModelConfig& config, ChatFormat& format) { return plan(config, format); },
        {});
    // Sampling comes from flags and checkpoint together, so tasks were read by plan().
    clock_.restart();
    next_ = 0;
    const Interrupts interrupts;
    while (!interrupts.stop_requested()) {
      submit(text);
      if (!text.engine().step()) break;
      collect(text);
      show_progress(false);
    }
    if (interrupts.stop_requested()) {
      throw Error(ExitCode::kCancelled,
                  fmt::format("interrupted after {} of {} answers. Run the same command again to "
                              "go on.",
                              output_.written(), count));
    }
    show_progress(true);
    report();
  }

 private:
  struct Running {
    size_t task;
    std::unique_ptr<Choices> choices;
  };

  RunNeeds plan(const ModelConfig& config, ChatFormat& format) {
    const SamplingParameters sampling =
        resolve_sampling(flags_.sampling, flags_.model.folder, format.tokenizer());
    for (int64_t i = output_.first(); i < static_cast<int64_t>(lines_.size()); ++i) {
      const std::string& line = lines_[static_cast<size_t>(i)];
      Task& task = tasks_.emplace_back();
      task.index = i;
      task.hash = line_hash(line);
      try {
        read_task(line, flags_, sampling, config, format, task);
        check_vocabulary(flags_.model.folder, config, task.prompt.tokens);
      } catch (const UsageError& error) {
        task.error = error.what();
      } catch (const TemplateError& error) {
        task.error = error.what();
      }
    }
    return needs();
  }

  /// Pages for the longest tasks together: any of them may meet.
  RunNeeds needs() const {
    std::vector<int64_t> pages;  // of each answer
    int64_t longest_prompt = 1;
    int64_t with_choices = 0;
    for (const Task& task : tasks_) {
      pages.insert(pages.end(), static_cast<size_t>(task.choices),
                   task.tokens() / kKvPageTokens + 1);
      longest_prompt = std::max(longest_prompt, static_cast<int64_t>(task.prompt.tokens.size()));
      if (task.choices > 1) ++with_choices;
    }
    const int64_t sequences =
        std::clamp(static_cast<int64_t>(pages.size()), int64_t{1}, options_.parallel);
    // At most as many prompts as there are places have answers that still have to begin.
    const int64_t snapshots = std::min(with_choices, sequences);
    std::sort(pages.rbegin(), pages.rend());
    int64_t sum = 1 + snapshots;
    for (int64_t i = 0; i < std::min(sequences, static_cast<int64_t>(pages.size())); ++i) {
      sum += pages[static_cast<size_t>(i)];
    }
    return {.context_tokens = sum * kKvPageTokens,
            .sequences = sequences,
            .snapshots = snapshots,
            .chunk_tokens = std::min(flags_.model.chunk_tokens, sequences * longest_prompt),
            .logit_rows = sequences};
  }

  bool has_room() const {
    int64_t answers = 0;
    for (const Running& running : running_) answers += running.choices->running();
    return answers < options_.parallel;
  }

  /// As many answers as may run. Those to a prompt that is known come first: its state is kept for
  /// them.
  void submit(TextEngine& text) {
    for (Running& running : running_) {
      while (running.choices->ready() && has_room()) running.choices->submit(text.engine());
    }
    while (next_ < tasks_.size() && has_room()) {
      Task& task = tasks_[next_];
      if (!task.error.empty()) {
        put(task, {{"error", {{"message", task.error}}}});
        ++errors_;
        ++next_;
        continue;
      }
      const TextAnswerOptions how{.starts_in_thinking = task.prompt.starts_in_thinking,
                                  .thinking_budget = flags_.reasoning_budget,
                                  .stop = task.sampling.stop};
      auto choices =
          std::make_unique<Choices>(text.format().tokenizer(),
                                    ChoicesRequest{.prompt = std::move(task.prompt.tokens),
                                                   .max_tokens = task.max_tokens,
                                                   .sampling = std::move(task.sampling),
                                                   .count = task.choices},
                                    [&](int64_t) { return how; });
      choices->submit(text.engine());
      running_.push_back({next_, std::move(choices)});
      ++next_;
    }
  }

  void collect(TextEngine& text) {
    for (Running& running : running_) {
      if (!running.choices->finished()) continue;
      put(tasks_[running.task], result_of(*running.choices));
      running.choices.reset();
      text.loaded().after_first_token();
    }
    std::erase_if(running_, [](const Running& running) { return !running.choices; });
  }

  /// One answer as it is, several as `choices`; `usage` is that of all.
  Json result_of(const Choices& choices) {
    Json answers = Json::array();
    int64_t tokens = 0;
    int64_t thinking_tokens = 0;
    for (int64_t i = 0; i < choices.count(); ++i) {
      const TextAnswer& answer = choices.answer(i);
      Json one = {{"text", answer.answer()}};
      if (answer.thinking_tokens() > 0) one["reasoning"] = answer.thinking();
      one["finish_reason"] = answer.finish_reason();
      answers.push_back(std::move(one));
      tokens += answer.usage().generated_tokens;
      thinking_tokens += answer.thinking_tokens();
    }
    tokens_ += tokens;
    Json result = choices.count() == 1 ? answers.front() : Json{{"choices", answers}};
    result["usage"] = {{"prompt_tokens", choices.answer(0).usage().prompt_tokens},
                       {"completion_tokens", tokens},
                       {"reasoning_tokens", thinking_tokens}};
    return result;
  }

  void put(const Task& task, Json result) {
    Json line = {{"index", task.index}};
    if (!task.id.is_null()) line["id"] = task.id;
    line.update(result);
    line["input_hash"] = task.hash;
    output_.put(task.index, std::move(line));
  }

  /// On a terminal a line that is rewritten; elsewhere one for each tenth.
  void show_progress(bool last) {
    if (flags_.model.quiet) return;
    const int64_t done = output_.written() - output_.first();
    const int64_t all = static_cast<int64_t>(tasks_.size());
    const int64_t tenth = all > 0 ? 10 * done / all : 10;
    const bool terminal = is_terminal(STDERR_FILENO);
    if (!terminal && tenth == shown_tenth_) return;
    if (terminal && !last && clock_.seconds() < next_show_) return;
    next_show_ = clock_.seconds() + 0.2;
    shown_tenth_ = tenth;
    const double seconds = clock_.seconds();
    const double left =
        done > 0 ? seconds / static_cast<double>(done) * static_cast<double>(all - done) : 0;
    fmt::print(stderr, "{}{} of {} answers, {:.1f} tokens/s, {:.0f} s left{}",
               terminal ? "\r\x1b[K" : "", output_.written(), lines_.size(),
               static_cast<double>(tokens_) / seconds, left, terminal && !last ? "" : "\n");
  }

  void report() const {
    if (errors_ == 0) return;
    throw Error(ExitCode::kFailure,
                fmt::format("{} of {} lines could not be answered; {} says why for each.", errors_,
                            lines_.size(), options_.output));
  }

  const GenerationFlags& flags_;
  const BatchOptions& options_;
  std::vector<std::string> lines_;
  OrderedOutput output_;
  std::vector<Task> tasks_;  // of the lines that are not answered yet
  std::vector<Running> running_;
  size_t next_ = 0;  // of tasks_
  int64_t errors_ = 0;
  int64_t tokens_ = 0;
  Stopwatch clock_;
  double next_show_ = 0;
  int64_t shown_tenth_ = 0;
};

}  // namespace

void add_batch_options(CLI::App& command, BatchOptions& options) {
  command.add_option("--input", options.input, "Answer the prompts of this file of JSON lines")
      ->type_name("FILE");
  command
      .add_option("--output", options.output,
                  "Answers of --input, one line each in the same order; a file that a run left "
                  "unfinished is continued")
      ->type_name("FILE");
  command
      .add_option("--parallel", options.parallel,
                  "Answers of --input or --choices at the same time")
      ->check(CLI::Range(int64_t{1}, int64_t{256}))
      ->capture_default_str();
}

void run_batch(const GenerationFlags& flags, const BatchOptions& options) {
  if (options.output.empty()) throw UsageError("--input needs --output FILE for the answers.");
  BatchRun(flags, options).run();
}

}  // namespace hearth
