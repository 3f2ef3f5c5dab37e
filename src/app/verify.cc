// hearth verify: takes the checksums of models in the cache again.
#include "hub/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/hub_environment.h"
#include "app/pull_progress.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/interrupts.h"
#include "console/style.h"
#include "hub/aliases.h"
#include "hub/http.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

struct VerifyFlags {
  std::string model;
  bool json = false;
};

struct VerifiedModel {
  std::string repo;
  std::vector<VerifiedFile> files;
};

const char* state_name(FileState state) {
  switch (state) {
    case FileState::kGood: return "good";
    case FileState::kBad: return "bad";
    case FileState::kMissing: return "missing";
    case FileState::kUnverifiable: return "unverifiable";
  }
  return "";
}

std::vector<VerifiedModel> verify(const VerifyFlags& flags, const Interrupts& interrupts) {
  const HubCache cache(environment_hub_settings().cache);
  std::vector<std::string> repos;
  std::optional<std::string> commit;
  if (flags.model.empty()) {
    for (const CachedModel& model : cache.models()) repos.push_back(model.repo);
  } else {
    const ModelRef ref = named_model(flags.model);
    repos.push_back(ref.repo);
    if (flags.model.find('@') != std::string::npos) {
      commit = cache.commit_of(ref).value_or("none");
    }
  }
  const bool terminal = is_terminal(STDERR_FILENO);
  const Stopwatch clock;
  std::atomic<uint64_t> read = 0;
  std::atomic<int> drawn_tenths = -1;  // of a second
  const auto progress = [&](uint64_t bytes) {
    if (interrupts.stop_requested()) throw CancelledError("Interrupted.");
    read += bytes;
    const int tenths = static_cast<int>(clock.seconds() * 10);
    if (terminal && drawn_tenths.exchange(tenths) != tenths) {
      fmt::print(stderr, "\r{} read\x1b[K", bytes_text(read));
    }
  };
  std::vector<VerifiedModel> models;
  for (const std::string& repo : repos) {
    models.push_back({repo, verify_model(cache, repo, commit, progress)});
    if (models.back().files.empty() && !flags.model.empty()) {
      throw LoadError({.file = cache.model_folder(repo),
                       .where = "",
                       .expected = "the model " + flags.model,
                       .found = "it not downloaded",
                       .advice = "hearth ls shows what is."});
    }
  }
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  return models;
}

void print_json(const std::vector<VerifiedModel>& models) {
  Json rows = Json::array();
  for (const VerifiedModel& model : models) {
    for (const VerifiedFile& file : model.files) {
      rows.push_back({{"model", model.repo},
                      {"commit", file.commit},
                      {"file", file.file},
                      {"blob", file.blob.string()},
                      {"bytes", file.bytes},
                      {"state", state_name(file.state)},
                      {"detail", file.detail}});
    }
  }
  fmt::print("{}\n", rows.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_text(const std::vector<VerifiedModel>& models) {
  for (const VerifiedModel& model : models) {
    size_t good = 0;
    for (const VerifiedFile& file : model.files) {
      if (file.state == FileState::kGood) {
        ++good;
        continue;
      }
      fmt::print("{}@{}{}{}: {}: {}\n", model.repo, file.commit.substr(0, 12),
                 file.file.empty() ? "" : " ", file.file, state_name(file.state), file.detail);
      if (file.state == FileState::kBad) fmt::print("  {}\n", file.blob.string());
    }
    fmt::print("{}: {} of {} files are good\n", model.repo, good, model.files.size());
  }
}

void run_verify(const VerifyFlags& flags) {
  const Interrupts interrupts;
  const std::vector<VerifiedModel> models = verify(flags, interrupts);
  if (flags.json) {
    print_json(models);
  } else {
    print_text(models);
  }
  size_t wrong = 0;
  for (const VerifiedModel& model : models) {
    for (const VerifiedFile& file : model.files) {
      if (file.state == FileState::kBad || file.state == FileState::kMissing) ++wrong;
    }
  }
  if (wrong == 0) return;
  throw Error(
      ExitCode::kInvalidModel,
      fmt::format("{} file{} bad or missing. Remove the bad blobs; hearth pull fetches what "
                  "is missing.",
                  wrong, wrong == 1 ? " is" : "s are"));
}

}  // namespace

void add_verify_command(CLI::App& app) {
  const auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = app.add_subcommand(
      "verify", "Take the checksums of the files in the cache again; names every bad file");
  command->add_option("model", flags->model,
                      "Hub id (org/name[@revision]) or alias; default: all models");
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags] { run_verify(*flags); });
}

}  // namespace hearth
