// hearth version: which program this is, and how it was built.
#include "app/version.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/settings.h"
#include "backend/cpu/cpu_backend.h"
#include "kernels/ladder.h"

namespace hearth {
namespace {

std::vector<std::string> built_kernel_sets() {
  std::vector<std::string> names{reference_kernels().name};
  int count = 0;
  const KernelRung* rungs = kernel_ladder(&count);
  for (int i = 0; i < count; ++i) names.emplace_back(rungs[i].name);
  return names;
}

std::vector<std::string> runnable_kernel_sets() {
  std::vector<std::string> names;
  for (const KernelSet& set : available_kernel_sets()) names.emplace_back(set.name);
  return names;
}

void print_version(bool json) {
  const auto built = built_kernel_sets();
  const auto runnable = runnable_kernel_sets();
  if (json) {
    const nlohmann::ordered_json report = {{"version", version()},
                                           {"compiler", HEARTH_COMPILER},
                                           {"build_type", HEARTH_BUILD_TYPE},
                                           {"processor", HEARTH_PROCESSOR},
                                           {"kernel_sets", built},
                                           {"kernel_sets_that_run_here", runnable}};
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print("hearth {}\nbuilt with {}, {}, for {}\nkernel sets: {}\nof which run here: {}\n",
             version(), HEARTH_COMPILER, HEARTH_BUILD_TYPE, HEARTH_PROCESSOR,
             fmt::join(built, ", "), fmt::join(runnable, ", "));
}

}  // namespace

std::string version() { return HEARTH_VERSION; }

void add_version_command(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("version", "Version, compiler and kernel sets");
  ignore_settings(*command);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] { print_version(*json); });
}

}  // namespace hearth
