#include "app/chat_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "hub/resolve_model.h"

namespace hearth {
namespace {

const std::string& required(const std::string& argument, const char* what) {
  if (argument.empty()) throw UsageError(fmt::format("{} is missing.", what));
  return argument;
}

std::string help(ChatState&, const std::string&) {
  std::string text;
  for (const ChatCommand& command : chat_commands()) {
    text += fmt::format("  {:<28} {}\n", fmt::format("{} {}", command.name, command.arguments),
                        command.help);
  }
  return text +
         "  \"\"\" begins and ends a message of several lines. Ctrl-C stops an answer, and once "
         "more leaves.";
}

std::string current_settings(const ChatState& state) {
  std::string text;
  const SamplingParameters& now = state.text.sampling();
  for (const SamplingParameter& row : sampling_parameters()) {
    text += fmt::format("  {:<20} {:<14} {}\n", row.name, value_text(now, row), row.help);
  }
  constexpr const char* kViews[] = {"show", "hide", "only"};
  text += fmt::format("  {:<20} {:<14} {}\n", "thinking",
                      kViews[static_cast<size_t>(state.view.thinking)], "show, hide or only");
  text += fmt::format("  {:<20} {:<14} {}\n", "tokens", state.flags.max_tokens,
                      "Most tokens of an answer");
  text += fmt::format(
      "  {:<20} {:<14} {}\n", "budget",
      state.flags.reasoning_budget ? fmt::format("{}", *state.flags.reasoning_budget) : "none",
      "Most tokens of reasoning");
  text += fmt::format("  {:<20} {:<14} {}", "stats", state.show_statistics ? "on" : "off",
                      "A line of statistics after each answer");
  return text;
}

int64_t whole_number(const std::string& value, int64_t least) {
  size_t used = 0;
  int64_t number = -1;
  try {
    number = std::stoll(value, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != value.size() || value.empty() || number < least) {
    throw UsageError(fmt::format("{} is no whole number from {} on.", value, least));
  }
  return number;
}

bool set_view(ChatState& state, const std::string& name, const std::string& value) {
  const auto choice = [&](std::initializer_list<const char*> names) {
    const auto found = std::find(names.begin(), names.end(), value);
    if (found == names.end()) {
      throw UsageError(fmt::format("{} is none of {}.", value, fmt::join(names, ", ")));
    }
    return static_cast<int>(found - names.begin());
  };
  if (name == "thinking") {
    state.view.thinking = static_cast<ThinkingView>(choice({"show", "hide", "only"}));
  } else if (name == "stats") {
    state.show_statistics = choice({"off", "on"}) == 1;
  } else if (name == "tokens") {
    state.flags.max_tokens = whole_number(value, 1);
  } else if (name == "budget") {
    if (value == "none") state.flags.reasoning_budget.reset();
    else state.flags.reasoning_budget = whole_number(value, 0);
  } else {
    return false;
  }
  return true;
}

std::string set(ChatState& state, const std::string& argument) {
  if (argument.empty()) return current_settings(state);
  const size_t space = argument.find(' ');
  const std::string name = argument.substr(0, space);
  const std::string value =
      space == std::string::npos ? "" : argument.substr(argument.find_first_not_of(' ', space));
  required(value, "the value");
  if (set_view(state, name, value)) return "";
  for (const SamplingParameter& row : sampling_parameters()) {
    const bool named = name == row.name || name == row.alias || "--" + name == row.primary_flag() ||
                       name == row.primary_flag();
    if (!named) continue;
    SamplingParameters changed = state.text.sampling();
    set_from_text(changed, row, {value});
    check_sampling(changed, state.text.model().config().vocab_size);
    state.text.sampling() = changed;
    return "";
  }
  throw UsageError(fmt::format("there is no setting {}. /set alone lists them.", name));
}

std::string system(ChatState& state, const std::string& argument) {
  state.conversation.system = argument;
  return argument.empty() ? "No system message." : "";
}

std::string save(ChatState& state, const std::string& argument) {
  state.conversation.save(required(argument, "the file"), model_name(state.flags.model.folder));
  return fmt::format("Saved {} messages in {}.", state.conversation.messages.size(), argument);
}

std::string load(ChatState& state, const std::string& argument) {
  state.conversation = Conversation::load(required(argument, "the file"));
  return fmt::format("Loaded {} messages.", state.conversation.messages.size());
}

std::string export_page(ChatState& state, const std::string& argument) {
  write_file(required(argument, "the file"),
             state.conversation.markdown(model_name(state.flags.model.folder)));
  return fmt::format("Wrote {}.", argument);
}

std::string stats(ChatState& state, const std::string&) {
  if (state.turns.empty()) return "Nothing has been answered yet.";
  int64_t prompt = 0;
  int64_t cached = 0;
  int64_t generated = 0;
  for (const TurnStatistics& turn : state.turns) {
    prompt += turn.usage.prompt_tokens;
    cached += turn.usage.cached_tokens;
    generated += turn.usage.generated_tokens;
  }
  return fmt::format("Last answer: {}\nAll {}: prompts {} tokens, {} of them cached | answers {}",
                     statistics_text(state.turns.back()), state.turns.size(), prompt, cached,
                     generated);
}

std::string undo(ChatState& state, const std::string&) {
  if (!state.conversation.undo()) throw UsageError("there is nothing to take back.");
  return fmt::format("Took the last question back; {} messages are left.",
                     state.conversation.messages.size());
}

std::string retry(ChatState& state, const std::string&) {
  state.ask = state.conversation.take_last_question();
  if (state.ask.empty()) throw UsageError("there is no question yet.");
  ++state.text.sampling().seed;  // another answer
  return "";
}

std::string tokens(ChatState& state, const std::string&) {
  const int64_t context = state.text.engine().most_tokens();
  if (state.conversation.template_messages().empty()) {
    return fmt::format("Nothing yet; the context has {} tokens.", context);
  }
  const ChatPrompt prompt = state.text.format().prompt(state.conversation.template_messages());
  return fmt::format("{} of {} tokens.", prompt.messages_end, context);
}

std::string clear(ChatState& state, const std::string&) {
  state.conversation.messages.clear();
  return "A new conversation.";
}

std::string leave(ChatState& state, const std::string&) {
  state.leave = true;
  return "";
}

constexpr ChatCommand kCommands[] = {
    {"/help", "", "This list", help},
    {"/set", "[NAME VALUE]", "Change a setting, or list them", set},
    {"/system", "[TEXT]", "Set the system message, or none", system},
    {"/save", "FILE", "Save the conversation as JSON", save},
    {"/load", "FILE", "Go on with a saved conversation", load},
    {"/export", "FILE", "Write the conversation as Markdown", export_page},
    {"/stats", "", "What the answers cost", stats},
    {"/undo", "", "Take the last question and its answer back", undo},
    {"/retry", "", "Ask the last question again", retry},
    {"/tokens", "", "How much of the context is used", tokens},
    {"/clear", "", "Begin a new conversation", clear},
    {"/quit", "", "Leave", leave},
};

}  // namespace

std::span<const ChatCommand> chat_commands() { return kCommands; }

std::string run_chat_command(ChatState& state, const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const size_t begin = line.find_first_not_of(' ', std::min(space, line.size()));
  std::string argument = begin == std::string::npos ? "" : line.substr(begin);
  while (!argument.empty() && argument.back() == ' ') argument.pop_back();
  for (const ChatCommand& command : kCommands) {
    if (name == command.name) return command.run(state, argument);
  }
  throw UsageError(fmt::format("there is no command {}. /help lists them.", name));
}

std::vector<std::string> complete_chat_command(std::string_view before_cursor) {
  std::vector<std::string> names;
  for (const ChatCommand& command : kCommands) {
    if (std::string_view(command.name).starts_with(before_cursor)) names.emplace_back(command.name);
  }
  return names;
}

}  // namespace hearth
