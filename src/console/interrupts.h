// Ctrl-C in a conversation: the first stops the answer, the second leaves.
#pragma once

namespace hearth {

/// Handles SIGINT while it exists; at most one does at a time. The first signal is counted, for a
/// loop that asks; a second one before reset() ends the program as SIGINT does without a handler
/// (a shell sees status 130), at once, even if nobody asks.
///
/// Calls that a signal breaks off fail with EINTR, so that a blocking read does not hide it.
class Interrupts {
 public:
  /// `terminal`: a descriptor whose colours are reset before the program ends, or -1.
  explicit Interrupts(int terminal = -1);
  /// Restores what was installed before.
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Before an answer, and after the person has typed something: what was pressed is forgotten.
  void reset();
  /// Whether Ctrl-C was pressed since the last reset().
  bool stop_requested() const;
  /// The line editor reported Ctrl-C on an empty line. True if it is the second press in a row, be
  /// the first one at the prompt, too, or during the last answer: then leave.
  bool pressed_at_prompt();
};

}  // namespace hearth
