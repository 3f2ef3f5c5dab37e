// Typing at a terminal: editing, history, completion, pasting, Ctrl-C and Ctrl-D.
#include "console/line_editor.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "console/history_file.h"
#include "console/interrupts.h"
#include "tests/console/pseudo_terminal.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::PseudoTerminal;
using testing::TempFolder;
using Outcome = LineEditor::Outcome;

/// Prints what it reads, as [text] with | for line feeds, <given up>, <interrupted>; ends at <end>.
int echo(LineEditorOptions options) {
  LineEditor editor(std::move(options));
  while (true) {
    const LineEditor::Reading reading = editor.read();
    std::string text = reading.text;
    for (char& c : text) c = c == '\n' ? '|' : c;
    switch (reading.outcome) {
      case Outcome::kText: std::printf("[%s]\n", text.c_str()); break;
      case Outcome::kGivenUp: std::printf("<given up>\n"); break;
      case Outcome::kInterrupted: std::printf("<interrupted>\n"); break;
      case Outcome::kEnd: std::printf("<end>\n"); return 7;
    }
    std::fflush(stdout);
  }
}

TEST(LineEditor, LinesAndTheEnd) {
  PseudoTerminal terminal([] { return echo({}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("hello\r");
  EXPECT_TRUE(terminal.shows("[hello]"));
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\r");
  EXPECT_TRUE(terminal.shows("[]"));
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\x04");
  EXPECT_TRUE(terminal.shows("<end>"));
  EXPECT_EQ(terminal.wait(), 7);
}

TEST(LineEditor, EditsUtf8) {
  PseudoTerminal terminal([] { return echo({}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("grüße 日本x\x7f\x01!\x05?\r");  // backspace; beginning: !; end: ?
  EXPECT_TRUE(terminal.shows("[!grüße 日本?]")) << terminal.output();
}

TEST(LineEditor, CtrlCGivesUpTheLine) {
  PseudoTerminal terminal([] { return echo({}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("half a li");
  ASSERT_TRUE(terminal.shows("li"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.shows("<given up>")) << terminal.output() << terminal.wait();
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\x03");
  EXPECT_TRUE(terminal.shows("<interrupted>")) << terminal.output();
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("next\r");
  EXPECT_TRUE(terminal.shows("[next]"));
}

TEST(LineEditor, TripleQuotesSpanLines) {
  PseudoTerminal terminal([] { return echo({}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\"\"\"one\r");
  ASSERT_TRUE(terminal.prompts("... "));
  terminal.type("\r");
  ASSERT_TRUE(terminal.prompts("... "));
  terminal.type("three\"\"\"\r");
  EXPECT_TRUE(terminal.shows("[one||three]")) << terminal.output();
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\"\"\"\r");
  ASSERT_TRUE(terminal.prompts("... "));
  terminal.type("\x03");
  EXPECT_TRUE(terminal.shows("<given up>")) << "the whole message";
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\"\"\"in one\"\"\"\r");
  EXPECT_TRUE(terminal.shows("[in one]"));
}

TEST(LineEditor, PastedLinesAreOneMessage) {
  PseudoTerminal terminal([] { return echo({}); });
  ASSERT_TRUE(terminal.shows("\x1b[?2004h")) << "pasting in brackets is switched on";
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("see: \x1b[200~a b\rzwölf\x01\r\x1b[201~ end\r");
  EXPECT_TRUE(terminal.shows("\x1b[?2004l")) << "and off again";
  EXPECT_TRUE(terminal.shows("[see: a b|zwölf end]")) << terminal.output();
}

TEST(LineEditor, CompletesCommands) {
  const auto complete = [](std::string_view before) -> std::vector<std::string> {
    if (!before.starts_with('/')) return {};
    return {"/save", "/set", "/stats", "/help"};
  };
  PseudoTerminal terminal([&] { return echo({.complete = complete}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("/h\t\r");
  EXPECT_TRUE(terminal.shows("[/help ]")) << terminal.output();
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("/s\t");
  EXPECT_TRUE(terminal.shows("/save  /set  /stats"));
  terminal.type("e\t\r");
  EXPECT_TRUE(terminal.shows("[/set ]")) << terminal.output();
}

TEST(LineEditor, HistoryIsKeptForItsOwner) {
  const TempFolder folder;
  const auto file = history_path((folder.path() / "state").string(), "");
  EXPECT_EQ(file, folder.path() / "state" / "hearth" / "history");
  {
    PseudoTerminal terminal([&] { return echo({.history_file = file}); });
    ASSERT_TRUE(terminal.prompts(">>> "));
    EXPECT_FALSE(std::filesystem::exists(file.parent_path())) << "made when there is something";
    terminal.type("früher\r");
    ASSERT_TRUE(terminal.shows("[früher]"));
    ASSERT_TRUE(terminal.prompts(">>> "));
    terminal.type("\x1b[200~two\rlines\x1b[201~\r");
    ASSERT_TRUE(terminal.shows("[two|lines]"));
    ASSERT_TRUE(terminal.prompts(">>> "));
    terminal.type("\x04");
    EXPECT_EQ(terminal.wait(), 7);
  }
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  PseudoTerminal terminal([&] { return echo({.history_file = file}); });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\x1b[A\r");
  EXPECT_TRUE(terminal.shows("[two|lines]")) << terminal.output();
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\x1b[A\x1b[A\r");
  EXPECT_TRUE(terminal.shows("[früher]")) << terminal.output();
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(InputHistory, IsBoundedAndSharedBySessions) {
  const TempFolder folder;
  const auto file = folder.path() / "history";
  InputHistory one(file, 3);
  InputHistory two(file, 3);
  one.add("a");
  two.add("b");
  one.add("c");
  EXPECT_NE(content_of(file).find("b\n"), std::string::npos) << "of the other session";
  two.add("d");
  EXPECT_EQ(content_of(file).find("a\n"), std::string::npos) << "the oldest goes";
  EXPECT_NE(content_of(file).find("d\n"), std::string::npos);
  EXPECT_EQ(one.problem() + two.problem(), "");
}

TEST(InputHistory, AStrangersFileIsLeftAlone) {
  const TempFolder folder;
  const auto file = folder.path() / "history";
  testing::write_file(file, "my notes\n");
  InputHistory history(file, 3);
  history.add("a");
  EXPECT_NE(history.problem().find(file.string()), std::string::npos);
  EXPECT_EQ(content_of(file), "my notes\n");
}

TEST(InputHistory, AFolderThatCannotBeMadeIsReported) {
  const TempFolder folder;
  testing::write_file(folder.path() / "file", "");
  InputHistory history(folder.path() / "file" / "hearth" / "history", 3);
  history.add("a");
  EXPECT_NE(history.problem().find("cannot be written"), std::string::npos);
}

TEST(InputHistory, PathsFollowTheSpecification) {
  EXPECT_EQ(history_path("", "/home/x"), "/home/x/.local/state/hearth/history");
  EXPECT_EQ(history_path("relative", "/home/x"), "/home/x/.local/state/hearth/history");
  EXPECT_EQ(history_path("", ""), "");
}

TEST(LineEditor, WithoutATerminalLinesAreReadPlainly) {
  FILE* const input = std::tmpfile();
  FILE* const output = std::tmpfile();
  std::fputs("one\r\n\n\"\"\"a\nb\"\"\"\nlast", input);
  std::rewind(input);
  LineEditor editor({.input = input, .output = output});
  for (const char* const text : {"one", "", "a\nb", "last"}) {
    const auto reading = editor.read();
    EXPECT_EQ(reading.outcome, Outcome::kText);
    EXPECT_EQ(reading.text, text);
  }
  EXPECT_EQ(editor.read().outcome, Outcome::kEnd);
  EXPECT_EQ(std::ftell(output), 0) << "no prompt";
  std::fclose(input);
  std::fclose(output);
}

TEST(Interrupts, TheFirstIsCountedAndTheSecondLeaves) {
  PseudoTerminal terminal([] {
    Interrupts interrupts(1);
    std::printf("answering\n");
    std::fflush(stdout);
    while (!interrupts.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::printf("stopping\n");
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(20));
    return 0;
  });
  ASSERT_TRUE(terminal.shows("answering"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.shows("stopping"));
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), -SIGINT);
  EXPECT_NE(terminal.output().find("\x1b[0m"), std::string::npos) << "colours are reset";
}

TEST(Interrupts, PressesInARowLeaveThePrompt) {
  Interrupts interrupts;
  EXPECT_FALSE(interrupts.stop_requested());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupts.stop_requested());
  EXPECT_TRUE(interrupts.pressed_at_prompt()) << "the second after an answer was stopped";
  interrupts.reset();
  EXPECT_FALSE(interrupts.stop_requested());
  EXPECT_FALSE(interrupts.pressed_at_prompt());
  EXPECT_TRUE(interrupts.pressed_at_prompt());
}

TEST(Interrupts, RestoreWhatWasThere) {
  static int calls = 0;
  const auto before = std::signal(SIGINT, [](int) { ++calls; });
  {
    const Interrupts interrupts;
    std::raise(SIGINT);
    EXPECT_EQ(calls, 0);
  }
  std::raise(SIGINT);
  EXPECT_EQ(calls, 1);
  std::signal(SIGINT, before);
}

TEST(Interrupts, AnAnswerAfterThePromptIsInterruptedBySignal) {
  PseudoTerminal terminal([] {
    Interrupts interrupts(1);
    LineEditor editor({});
    editor.read();
    interrupts.reset();
    std::printf("answering\n");
    std::fflush(stdout);
    while (!interrupts.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return editor.read().outcome == Outcome::kInterrupted && interrupts.pressed_at_prompt() ? 5 : 6;
  });
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("question\r");
  ASSERT_TRUE(terminal.shows("answering"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.prompts(">>> "));
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 5) << terminal.output();
}

}  // namespace
}  // namespace hearth
