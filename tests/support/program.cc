#include "tests/support/program.h"

#include <sys/wait.h>

#include <cstdlib>

#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

std::string shell_quoted(const std::string& text) {
  std::string result = text;
  for (size_t at = 0; (at = result.find('\'', at)) != result.npos; at += 4) {
    result.replace(at, 1, "'\\''");
  }
  return result.insert(0, 1, '\'').append(1, '\'');
}

}  // namespace

Outcome run_program(const std::string& program, const std::vector<std::string>& arguments,
                    const std::string& before) {
  const TempFolder folder;
  std::string command = before + " " + shell_quoted(program);
  for (const std::string& argument : arguments) command.append(" ").append(shell_quoted(argument));
  command.append(" >").append(shell_quoted((folder.path() / "out").string()));
  command.append(" 2>").append(shell_quoted((folder.path() / "err").string()));
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder.path() / "out"),
          read_file(folder.path() / "err")};
}

}  // namespace hearth::testing
