// hearth ls: the models in the cache, and whether they are complete.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/hub_environment.h"
#include "app/pull_progress.h"
#include "hub/hub_cache.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShortCommit = 12;
constexpr size_t kMaxNamedProblems = 3;

std::string revision_text(const CachedSnapshot& snapshot) {
  std::string text;
  for (const std::string& revision : snapshot.revisions) text += revision + " ";
  return text + snapshot.commit.substr(0, kShortCommit);
}

std::string state_text(const CachedSnapshot& snapshot) {
  if (snapshot.problems.empty()) return "complete";
  std::string text = "incomplete: ";
  for (size_t i = 0; i < std::min(snapshot.problems.size(), kMaxNamedProblems); ++i) {
    text += (i > 0 ? ", " : "") + snapshot.problems[i];
  }
  if (snapshot.problems.size() > kMaxNamedProblems) {
    text += fmt::format(" and {} more", snapshot.problems.size() - kMaxNamedProblems);
  }
  return text;
}

void print_table(const std::vector<CachedModel>& models) {
  const auto row = [](const auto& model, const auto& revision, const auto& size,
                      const auto& state) {
    fmt::print("{:<50}  {:<20}  {:>9}  {}\n", model, revision, size, state);
  };
  row("MODEL", "REVISION", "SIZE", "STATE");
  for (const CachedModel& model : models) {
    for (const CachedSnapshot& snapshot : model.snapshots) {
      row(model.repo, revision_text(snapshot), bytes_text(snapshot.bytes), state_text(snapshot));
    }
    if (model.incomplete_bytes > 0 || model.snapshots.empty()) {
      row(model.repo, "", bytes_text(model.incomplete_bytes), "of an unfinished download");
    }
  }
}

Json to_json(const std::vector<CachedModel>& models) {
  Json rows = Json::array();
  for (const CachedModel& model : models) {
    Json snapshots = Json::array();
    for (const CachedSnapshot& snapshot : model.snapshots) {
      snapshots.push_back({{"commit", snapshot.commit},
                           {"revisions", snapshot.revisions},
                           {"folder", snapshot.folder.string()},
                           {"bytes", snapshot.bytes},
                           {"complete", snapshot.problems.empty()},
                           {"problems", snapshot.problems}});
    }
    rows.push_back({{"model", model.repo},
                    {"snapshots", std::move(snapshots)},
                    {"unfinished_bytes", model.incomplete_bytes}});
  }
  return rows;
}

void run_ls(bool json) {
  const HubCache cache(environment_hub_settings().cache);
  const std::vector<CachedModel> models = cache.models();
  if (json) {
    fmt::print("{}\n", to_json(models).dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (models.empty()) {
    fmt::print(stderr, "No models in {}. hearth pull downloads one.\n", cache.root().string());
  } else {
    print_table(models);
  }
}

}  // namespace

void add_ls_command(CLI::App& app) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "ls", "List the models in the cache: revision, size, complete or what is missing");
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] { run_ls(*json); });
}

}  // namespace hearth
