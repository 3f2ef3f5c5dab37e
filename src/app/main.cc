// The program: runs the command line, and turns every failure into a message and an exit code.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "app/program.h"
#include "base/error.h"

namespace {

using hearth::ExitCode;

int fail(const char* message, ExitCode code) {
  std::fflush(stdout);
  std::fprintf(stderr, "hearth: %s\n", message);
  return static_cast<int>(code);
}

int run(const std::vector<std::string>& arguments) {
  try {
    const auto program = std::make_unique<hearth::Program>();
    program->run(arguments);
  } catch (const hearth::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("out of memory. Free some, or ask for a shorter context.", ExitCode::kOutOfMemory);
  } catch (const std::exception& error) {
    return fail(error.what(), ExitCode::kFailure);
  }
  // Results that nobody got are no success: a full disk shows here.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "hearth: standard output: %s.\n", std::strerror(errno));
    return static_cast<int>(ExitCode::kFailure);
  }
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace

int main(int argc, char** argv) {
  // Whoever started the program may have it ignore a closed pipe; `hearth … | head` then ends with
  // an error instead of quietly.
  std::signal(SIGPIPE, SIG_DFL);
  return run({argv + (argc > 0 ? 1 : 0), argv + argc});
}
