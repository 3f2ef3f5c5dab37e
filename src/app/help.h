// --help: CLI11's formatter with the width of the terminal, and the global options of the program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace hearth {

class HelpFormatter : public CLI::Formatter {
 public:
  /// Wraps at `width` columns; 0: those of the terminal.
  explicit HelpFormatter(int width = 0);

  std::string make_help(const CLI::App* command, std::string name,
                        CLI::AppFormatMode mode) const override;

 private:
  std::string usage(const CLI::App& command) const;
  std::string arguments(const CLI::App& command) const;
  std::string options(const CLI::App& command) const;
  std::string commands(const CLI::App& command) const;

  /// A name, and beside it a text wrapped in a column of its own.
  std::string entry(const std::string& name, const std::string& text) const;

  size_t width_;
};

/// The text in lines of at most `width` columns, each but the first behind `indent` spaces.
std::string wrapped(const std::string& text, size_t width, size_t indent);

}  // namespace hearth
