// hearth pull: brings a model from the Hub into the cache.
#include "hub/pull.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/hub_environment.h"
#include "app/pull_progress.h"
#include "console/interrupts.h"
#include "console/style.h"
#include "hub/aliases.h"

namespace hearth {
namespace {

struct PullFlags {
  std::string model;
  std::string revision;
  bool all = false;
  int connections = 8;
  int attempts = 10;
  int piece_kib = 65536;
  int stall_seconds = 30;
  bool json = false;
  bool quiet = false;
};

void run_pull(const PullFlags& flags) {
  const HubSettings settings = environment_hub_settings();
  const ModelRef ref =
      named_model(flags.revision.empty() ? flags.model : flags.model + "@" + flags.revision);
  PullOptions options{.all = flags.all};
  options.download.connections = flags.connections;
  options.download.piece_bytes = static_cast<uint64_t>(flags.piece_kib) * 1024;
  options.download.retry.attempts = flags.attempts;
  options.download.stall_seconds = flags.stall_seconds;
  // libcurl leaves this signal to the program: a connection that breaks is an error among others.
  std::signal(SIGPIPE, SIG_IGN);
  const Interrupts interrupts;
  PullProgress progress(flags.quiet, is_terminal(STDERR_FILENO));
  PullResult result;
  try {
    result = pull(settings, ref, options, progress, [&] { return interrupts.stop_requested(); });
  } catch (...) {
    progress.end();
    throw;
  }
  progress.end();
  if (!flags.json) {
    fmt::print("{}\n", result.folder.string());
    return;
  }
  const nlohmann::ordered_json json = {{"model", ref.repo},
                                       {"revision", ref.revision},
                                       {"commit", result.commit},
                                       {"folder", result.folder.string()},
                                       {"files", result.files},
                                       {"bytes", result.bytes},
                                       {"fetched_bytes", result.fetched_bytes}};
  fmt::print("{}\n", json.dump(2));
}

std::string alias_table() {
  std::string text = "Aliases:\n";
  for (const ModelAlias& row : model_aliases()) {
    text += fmt::format("  {:<26}{}, {}\n", row.alias, row.repo, row.what);
  }
  return text;
}

}  // namespace

void add_pull_command(CLI::App& app) {
  const auto flags = std::make_shared<PullFlags>();
  CLI::App* command = app.add_subcommand(
      "pull",
      "Download a model from the Hub into the cache that its programs share, or go on with "
      "a download; prints its folder");
  command->add_option("model", flags->model, "Hub id (org/name[@revision]) or alias")->required();
  command->add_option("--revision", flags->revision, "Branch, tag or commit; as after the \"@\"");
  command->add_flag("--all", flags->all,
                    "Every file of the repository, not only those that hearth reads");
  command->add_option("-j,--connections", flags->connections, "Connections at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--attempts", flags->attempts, "Attempts without progress before it ends")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--piece", flags->piece_kib, "KiB that a request asks for at most")
      ->check(CLI::Range(4, 1 << 20))
      ->capture_default_str();
  command->add_option("--stall", flags->stall_seconds, "Seconds without a byte that end a request")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print JSON");
  command->add_flag("-q,--quiet", flags->quiet, "No progress");
  command->footer(alias_table() +
                  "Environment: HF_HUB_CACHE or HF_HOME say where, HF_TOKEN who, HF_ENDPOINT from "
                  "whom, HF_HUB_OFFLINE=1 forbids it.");
  command->callback([flags] { run_pull(*flags); });
}

}  // namespace hearth
