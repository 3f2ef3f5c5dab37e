// A person at a terminal, as a program sees one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

namespace hearth::testing {

/// Runs a function in a process of its own, whose terminal is ours to type at.
class PseudoTerminal {
 public:
  /// The exit status of the process is what `program` returns.
  explicit PseudoTerminal(const std::function<int()>& program);
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void type(std::string_view keys);
  /// Reads until the output since the last call has `text`; false after ten seconds.
  bool shows(std::string_view text);
  /// As `shows`, and waits until the line editor reads keys: it shows a prompt before that, while
  /// Ctrl-C still is a signal.
  bool prompts(std::string_view text);
  /// Waits for the end. The exit status, or minus the number of the signal that ended it.
  int wait();

  const std::string& output() const { return output_; }

 private:
  int controller_ = -1;
  pid_t process_ = -1;
  std::string output_;
  size_t seen_ = 0;
};

}  // namespace hearth::testing
