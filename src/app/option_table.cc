#include "app/option_table.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/globals.h"
#include "app/spelling.h"

namespace hearth {
namespace {

/// What is between the two marks, e.g. "a,b" in "TEXT:{a,b}".
std::string between(const std::string& text, const std::string& open, const std::string& close) {
  const size_t begin = text.find(open);
  if (begin == text.npos) return "";
  const size_t end = text.find(close, begin + open.size());
  if (end == text.npos) return "";
  return text.substr(begin + open.size(), end - begin - open.size());
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// A list's default is captured as "[1,2]".
std::string typed_default(const CLI::Option& option) {
  const std::string text = option.get_default_str();
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

std::string words_for(const std::string& type) {
  if (type == "INT") return "a whole number";
  if (type == "UINT") return "a whole number, not negative";
  return type == "FLOAT" ? "a number" : type;
}

}  // namespace

std::string OptionRow::value_name() const {
  if (choices.empty()) return type;
  const std::string all = fmt::format("{}", fmt::join(choices, "|"));
  return all.size() <= 28 ? all : type;
}

std::string OptionRow::signature() const {
  if (flags.empty()) return positional;
  const std::string names = fmt::format("{}", fmt::join(flags, ", "));
  return is_switch() ? names : names + " " + value_name() + (list ? ",…" : "");
}

std::string OptionRow::full_help() const {
  std::string text = help;
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : " ") + more; };
  if (!choices.empty() && (flags.empty() || value_name() == type)) {
    add(fmt::format("[{}]", fmt::join(choices, ", ")));
  }
  if (!range.empty()) add("[" + range + "]");
  if (!default_value.empty()) add("(default: " + default_value + ")");
  if (required) add("(required)");
  return text;
}

OptionRow option_row(const CLI::Option& option) {
  OptionRow row;
  row.option = &option;
  for (const std::string& name : option.get_snames()) row.flags.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.flags.push_back("--" + name);
  if (!option.get_lnames().empty()) row.key = option.get_lnames().front();
  if (option.get_positional()) row.positional = option.get_name(true);
  const std::string type = option.get_type_name();
  const bool is_switch = option.get_items_expected_max() == 0 || option.get_type_size() == 0;
  if (!is_switch) {
    row.type = type.substr(0, type.find(':'));
    if (row.type.empty()) row.type = "VALUE";
    row.choices = split(between(type, "{", "}"), ',');
    row.range = between(type, " in [", "]");
    if (const size_t dash = row.range.find(" - "); dash != row.range.npos) {
      row.range.replace(dash, 3, " to ");
    }
    row.default_value = typed_default(option);
  }
  row.help = option.get_description();
  row.group = option.get_group();
  row.required = option.get_required();
  row.list = !is_switch && option.get_items_expected_max() > 1;
  row.repeats = !is_switch && !row.list &&
                option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  return row;
}

std::vector<OptionRow> option_rows(const CLI::App& command) {
  std::vector<OptionRow> rows;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_group().empty()) rows.push_back(option_row(*option));
  }
  const std::vector<std::string> groups = command.get_groups();
  std::stable_sort(rows.begin(), rows.end(), [&](const OptionRow& a, const OptionRow& b) {
    const auto place = [&](const OptionRow& row) {
      return std::find(groups.begin(), groups.end(), row.group) - groups.begin();
    };
    return place(a) < place(b);
  });
  return rows;
}

std::vector<OptionRow> understood_rows(const CLI::App& command) {
  std::vector<OptionRow> rows = option_rows(command);
  if (command.get_parent() == nullptr) return rows;
  const auto known = [&](const std::string& flag) {
    return std::any_of(rows.begin(), rows.end(), [&](const OptionRow& row) {
      return std::find(row.flags.begin(), row.flags.end(), flag) != row.flags.end();
    });
  };
  for (OptionRow& row : option_rows(program_of(command))) {
    if (row.group != kGlobalGroup) continue;
    std::erase_if(row.flags, known);  // the command's own meaning of a flag goes first
    if (!row.flags.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<const CLI::App*> subcommands(const CLI::App& command) {
  std::vector<const CLI::App*> found = command.get_subcommands(
      [](const CLI::App* each) { return !each->get_name().empty() && !each->get_group().empty(); });
  std::sort(found.begin(), found.end(),
            [](const CLI::App* a, const CLI::App* b) { return a->get_name() < b->get_name(); });
  return found;
}

std::vector<const CLI::App*> command_tree(const CLI::App& command) {
  std::vector<const CLI::App*> tree{&command};
  for (const CLI::App* each : subcommands(command)) {
    const std::vector<const CLI::App*> below = command_tree(*each);
    tree.insert(tree.end(), below.begin(), below.end());
  }
  return tree;
}

std::string command_path(const CLI::App& command) {
  if (command.get_parent() == nullptr) return command.get_name();
  return command_path(*command.get_parent()) + " " + command.get_name();
}

std::vector<CLI::App*> chosen_commands(CLI::App& program) {
  std::vector<CLI::App*> chosen{&program};
  while (!chosen.back()->get_subcommands().empty()) {
    chosen.push_back(chosen.back()->get_subcommands().front());
  }
  return chosen;
}

std::string value_problem(const CLI::Option& option, const std::string& otherwise) {
  const OptionRow row = option_row(option);
  const std::string found = option.results().empty() ? "" : option.results().back();
  if (row.is_switch()) return fmt::format("expected true or false, found \"{}\".", found);
  if (!row.choices.empty()) {
    return fmt::format("expected {}, found \"{}\".{}", fmt::join(row.choices, " or "), found,
                       did_you_mean(found, row.choices));
  }
  if (!row.range.empty()) {
    return fmt::format("expected {} from {}, found \"{}\".", words_for(row.type), row.range, found);
  }
  if (row.type == "TEXT" || row.type == "FILE" || row.type == "DIR") return otherwise;
  return fmt::format("expected {}, found \"{}\".", words_for(row.type), found);
}

}  // namespace hearth
