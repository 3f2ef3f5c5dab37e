#include "app/exit_codes.h"

#include <fmt/format.h>

namespace hearth {
namespace {

constexpr ExitCodeRow kRows[] = {
    {ExitCode::kOk, "done"},
    {ExitCode::kFailure, "failure"},
    {ExitCode::kUsage, "wrong usage"},
    {ExitCode::kInvalidModel, "invalid model"},
    {ExitCode::kOutOfMemory, "not enough memory"},
    {ExitCode::kNetwork, "network or authentication"},
    {ExitCode::kInterrupted, "interrupted download; the same command resumes it"},
    {ExitCode::kCancelled, "ended by Ctrl-C"},
};

}  // namespace

std::span<const ExitCodeRow> exit_codes() { return kRows; }

std::string exit_codes_text() {
  std::string text = "Exit codes:";
  for (const ExitCodeRow& row : exit_codes()) {
    text +=
        fmt::format("{} {} {}", &row == kRows ? "" : ",", static_cast<int>(row.code), row.meaning);
  }
  return text + ".";
}

}  // namespace hearth
