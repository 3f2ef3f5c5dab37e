// hearth doctor: what this machine can do, what hinders it, and what each model would do on it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/commands.h"
#include "app/doctor_html.h"
#include "app/doctor_report.h"
#include "app/doctor_run.h"
#include "base/error.h"
#include "console/style.h"

namespace hearth {
namespace {

struct DoctorOptions {
  DoctorSettings settings;
  std::string report;
  bool json = false;
};

void write_page(const std::string& path, const std::string& page) {
  std::ofstream file(path, std::ios::binary);
  file << page << std::flush;
  if (!file) {
    throw UsageError(
        fmt::format("--report: {} cannot be written. Name a file in a folder that exists.", path));
  }
}

void run(const DoctorOptions& options) {
  // Before a minute is spent on it.
  if (!options.report.empty()) write_page(options.report, "");
  const bool terminal = is_terminal(STDERR_FILENO);
  const auto say = [&](const std::string& what) {
    if (terminal) fmt::print(stderr, "\r\x1b[K{} …", what);
    std::fflush(stderr);
  };
  const DoctorReport report = run_doctor(options.settings, say);
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  const std::vector<CheckLine> checks = doctor_checks(report);
  if (options.json) {
    fmt::print(
        "{}\n",
        doctor_json(report, checks).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", doctor_text(report, checks));
  }
  if (!options.report.empty()) write_page(options.report, doctor_html(report, checks));
  for (const CheckLine& check : checks) {
    if (!check.blocking) continue;
    throw Error(ExitCode::kFailure, fmt::format("this machine cannot run hearth: {}: {}. {}",
                                                check.topic, check.text, check.fix));
  }
}

}  // namespace

void add_doctor_command(CLI::App& app) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand(
      "doctor", "Check this machine, and predict how fast models would run on it");
  command->alias("check");
  add_model_flags(*command, options->settings.model);
  add_run_flags(*command, options->settings.model);
  // These two change what a run takes, not how fast it is predicted to be.
  for (const char* unused : {"--lock", "--chunk"}) {
    command->remove_option(command->get_option(unused));
  }
  command->get_option("--model")->required(false)->description(
      "Predict for the model in this folder (default: for the known checkpoints)");
  command->add_flag("--json", options->json, "Print JSON");
  command->add_option("--report", options->report, "Also write a page with plots to this file");
  command->add_flag("--quick", options->settings.quick, "Measure for half as long");
  command->footer(
      "Lines that fail say which models do not fit. The exit code is 0, and 1 only when the "
      "machine cannot run hearth at all.");
  command->callback([options, command] {
    settle_model_flags(options->settings.model, *command);
    run(*options);
  });
}

}  // namespace hearth
