// hearth chat: a conversation at the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "app/chat_commands.h"
#include "app/chat_turn.h"
#include "app/commands.h"
#include "app/globals.h"
#include "app/model_bandwidth.h"
#include "base/error.h"
#include "console/history_file.h"
#include "console/line_editor.h"
#include "hub/resolve_model.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

constexpr int64_t kUsualContext = 32768;  // what a conversation of hours takes
constexpr int64_t kSnapshots = 4;         // states kept: turns that /undo and /retry go back to

struct ChatOptions {
  GenerationFlags generation;
  std::string thinking = "show";
  int64_t context_tokens = 0;
  std::string load;
  bool plain = false;
  bool no_history = false;
  Globals globals;
};

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

class Chat {
 public:
  Chat(ChatOptions& options, TextEngine& text)
      : options_(options),
        text_(text),
        error_style_(wants_colour(options.globals.color, is_terminal(STDERR_FILENO),
                                  terminal_environment())),
        view_(make_view(options)),
        state_{.text = text, .flags = options.generation, .view = view_},
        interrupts_(STDOUT_FILENO) {
    state_.conversation.system = options.generation.system;
    if (!options.load.empty()) {
      state_.conversation = Conversation::load(options.load);
    }
    state_.show_statistics = !options.globals.quiet;
  }

  void run() {
    const bool person = is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
    if (person && !options_.globals.quiet) {
      say(fmt::format("{}. /help lists the commands.",
                      model_name(options_.generation.model.folder)));
    }
    LineEditor editor({.prompt = ">>> ",
                       .style = view_.style,
                       .history_file = history_file(),
                       .complete = complete_chat_command});
    while (!state_.leave) {
      const LineEditor::Reading line = editor.read();
      if (line.outcome == LineEditor::Outcome::kEnd) break;
      if (line.outcome == LineEditor::Outcome::kInterrupted) {
        if (interrupts_.pressed_at_prompt()) break;
        say("Ctrl-C once more, Ctrl-D or /quit leaves.");
        continue;
      }
      interrupts_.reset();
      if (line.outcome == LineEditor::Outcome::kText) take(line.text, person);
    }
  }

 private:
  static ChatView make_view(const ChatOptions& options) {
    const bool terminal = is_terminal(STDOUT_FILENO);
    const TerminalEnvironment variables = terminal_environment();
    return {.thinking = thinking_view(options.thinking),
            .mode = view_mode(terminal, can_redraw(terminal, variables), options.plain),
            .style = Style(wants_colour(options.globals.color, terminal, variables))};
  }

  std::filesystem::path history_file() const {
    if (options_.no_history) return {};
    return history_path(environment("XDG_STATE_HOME"), environment("HOME"));
  }

  /// What is not the model's goes to standard error.
  void say(const std::string& text) const {
    if (text.empty()) return;
    fmt::print(stderr, "{}\n", error_style_.apply(kDim, text));
  }

  /// A line: a command, or a question. A person's mistakes are said, and the chat goes on; those of
  /// a script end it.
  void take(const std::string& line, bool person) {
    if (line.find_first_not_of(" \t\n") == std::string::npos) return;
    try {
      if (line.front() == '/') say(run_chat_command(state_, line));
      else answer(line);
      if (!state_.ask.empty()) answer(std::exchange(state_.ask, {}));
    } catch (const Error& error) {
      if (!person || error.code() == ExitCode::kInvalidModel) throw;
      say(error.what());
    }
  }

  void answer(const std::string& question) {
    Conversation& conversation = state_.conversation;
    const size_t before = conversation.messages.size();
    conversation.messages.push_back({"user", question});
    interrupts_.reset();
    TurnStatistics turn =
        ChatTurn(text_, options_.generation, view_, interrupts_).run(conversation);
    if (bandwidth_ == 0) bandwidth_ = model_read_bandwidth(text_.loaded());
    turn.bandwidth = bandwidth_;
    state_.turns.push_back(turn);
    if (conversation.messages.size() == before) say("No answer: the question was taken back.");
    if (state_.show_statistics) say(statistics_text(turn));
  }

  ChatOptions& options_;
  TextEngine& text_;
  Style error_style_;
  ChatView view_;
  ChatState state_;
  Interrupts interrupts_;
  double bandwidth_ = 0;  // of reading weights; 0: not known yet
};

void run_chat(ChatOptions& options) {
  const auto plan = [&](const ModelConfig& config, ChatFormat&) {
    return RunNeeds{.context_tokens = context_of(config, options.context_tokens, kUsualContext),
                    .snapshots = kSnapshots,
                    .chunk_tokens = options.generation.model.chunk_tokens};
  };
  TextEngine text(options.generation, plan, {.quiet = !options.globals.verbose});
  Chat(options, text).run();
}

}  // namespace

void add_chat_command(CLI::App& app) {
  const auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a model");
  add_generation_flags(*command, options->generation, 8192);
  command
      ->add_option("-c,--context", options->context_tokens,
                   "Tokens that the conversation may have; 0: 32768, or what the model has")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31))
      ->capture_default_str();
  add_thinking_flag(*command, options->thinking);
  command->add_option("--load", options->load, "Go on with a conversation that /save wrote")
      ->type_name("FILE");
  command->add_flag("--plain", options->plain, "Show answers as they are, Markdown not rendered");
  command->add_flag("--no-history", options->no_history, "Keep no history of what is typed");
  command->callback([options, command] {
    options->globals = globals_of(*command);
    settle_model_flags(options->generation.model, *command);
    run_chat(*options);
  });
}

}  // namespace hearth
