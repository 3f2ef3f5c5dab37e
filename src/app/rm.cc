// hearth rm: takes a model out of the cache.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "app/commands.h"
#include "app/hub_environment.h"
#include "app/pull_progress.h"
#include "base/error.h"
#include "console/style.h"
#include "hub/aliases.h"
#include "hub/removal.h"

namespace hearth {
namespace {

struct RmFlags {
  std::string model;
  bool yes = false;
};

void describe(const HubCache& cache, const RemovalPlan& plan, const std::string& name) {
  fmt::print(stderr, "{}: {} files of {}{}\n", plan.whole ? plan.repo : name, plan.files.size(),
             bytes_text(plan.freed_bytes), plan.whole ? "" : ", one revision of several");
  fmt::print(stderr, "  in {}\n", cache.model_folder(plan.repo).string());
  if (plan.kept_bytes > 0) {
    fmt::print(stderr, "  {} stay: other revisions use them\n", bytes_text(plan.kept_bytes));
  }
  if (plan.shared_bytes > 0) {
    fmt::print(stderr, "  {} stay in the store that models share: hf cache prune removes them\n",
               bytes_text(plan.shared_bytes));
  }
}

void ask() {
  if (!is_terminal(STDIN_FILENO)) {
    throw UsageError("Nobody is there to be asked: say --yes to remove it. Nothing was removed.");
  }
  fmt::print(stderr, "Remove? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes") {
    throw Error(ExitCode::kFailure, "Nothing was removed.");
  }
}

void run_rm(const RmFlags& flags) {
  const HubCache cache(environment_hub_settings().cache);
  const ModelRef ref = named_model(flags.model);
  std::optional<std::string> commit;
  if (flags.model.find('@') != std::string::npos) {
    commit = cache.commit_of(ref);
    if (!commit) {
      throw LoadError({.file = cache.model_folder(ref.repo),
                       .where = "",
                       .expected = "the revision " + ref.revision,
                       .found = "nothing",
                       .advice = "hearth ls shows what is downloaded."});
    }
  }
  const RemovalPlan plan = plan_removal(cache, ref.repo, commit);
  describe(cache, plan, ref.text());
  if (!flags.yes) ask();
  remove_from_cache(cache, plan);
  fmt::print(stderr, "Removed; {} are free again.\n", bytes_text(plan.freed_bytes));
}

}  // namespace

void add_rm_command(CLI::App& app) {
  const auto flags = std::make_shared<RmFlags>();
  CLI::App* command = app.add_subcommand(
      "rm", "Remove a model, or one revision of it, from the cache; shows what, and asks first");
  command->add_option("model", flags->model, "Hub id (org/name[@revision]) or alias")->required();
  command->add_flag("-y,--yes", flags->yes, "Do not ask");
  command->callback([flags] { run_rm(*flags); });
}

}  // namespace hearth
