// The program: finds the subcommand, and turns every failure into a message and an exit code.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "app/commands.h"
#include "base/error.h"

namespace {

using hearth::ExitCode;

int fail(const char* message, ExitCode code) {
  std::fflush(stdout);
  std::fprintf(stderr, "hearth: %s\n", message);
  return static_cast<int>(code);
}

int run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" of code 0 here.
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  } catch (const hearth::Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("out of memory. Free some, or ask for a shorter context.", ExitCode::kOutOfMemory);
  } catch (const std::exception& error) {
    return fail(error.what(), ExitCode::kFailure);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Local inference for the Qwen3-Next family, from the checkpoints as they are.",
               "hearth");
  app.set_version_flag("--version", std::string(HEARTH_VERSION));
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.footer("Exit codes: 0 done, 1 failure, 2 wrong usage, 3 invalid model, 4 out of memory.");
  hearth::add_generate_command(app);
  hearth::add_eval_command(app);
  hearth::add_bench_command(app);
  hearth::add_show_command(app);
  hearth::add_doctor_command(app);
  hearth::add_estimate_command(app);
  hearth::add_synth_command(app);
  return run(app, argc, argv);
}
