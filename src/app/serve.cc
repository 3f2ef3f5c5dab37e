// hearth serve: a model for clients, over HTTP.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "app/commands.h"
#include "app/globals.h"
#include "app/serve_plan.h"
#include "app/served_model.h"
#include "app/version.h"
#include "base/error.h"
#include "os/memory_info.h"
#include "server/http/http_server.h"
#include "server/http/server_log.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

struct ServeOptions {
  GenerationFlags generation;
  ServeSizes sizes;
  HttpServerOptions http;
  std::string api_key_file;
  std::string certificate;
  std::string private_key;
  std::string alias;
  int64_t queue = 64;
  double slowdown = 25;  // percent
  std::string reasoning_field = "reasoning_content";
  std::string log = "off";
  Globals globals;
};

/// SIGINT and SIGTERM end the server gracefully, a second one at once, while this exists.
class StopSignals {
 public:
  explicit StopSignals(HttpServer& server) {
    server_ = &server;
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, take);
  }
  ~StopSignals() {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    server_ = nullptr;
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static void take(int /*signal*/) {
    HttpServer* const server = server_;
    if (!server) return;
    if (server->stopping()) server->stop_now();
    else server->stop();
  }

  static inline std::atomic<HttpServer*> server_ = nullptr;
};

/// The name that clients call the model by: what -m ends with, without a revision.
std::string model_name(const std::string& model) {
  std::string name = model.substr(0, model.find_last_not_of('/') + 1);
  name = name.substr(name.rfind('/') + 1);
  name = name.substr(0, name.find('@'));
  return name.empty() ? "model" : name;
}

/// The keys of a file, one a line.
void add_keys(const std::string& path, std::vector<std::string>& keys) {
  std::ifstream file(path);
  std::string line;
  const size_t before = keys.size();
  while (std::getline(file, line)) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty()) keys.push_back(line);
  }
  if (keys.size() == before) {
    throw UsageError(fmt::format(
        "--api-key-file: {} cannot be read, or has no key. Write one key a line.", path));
  }
}

/// For clients that ask; empty where there is no such file.
std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// `model` is what the user calls it, not the folder that this leads to.
void settle(ServeOptions& options, const std::string& model) {
  if (options.alias.empty()) options.alias = model_name(model);
  if (options.alias.find('/') != std::string::npos) {
    throw UsageError("--alias must not hold a slash: some clients take it for a path.");
  }
  if (!options.api_key_file.empty()) add_keys(options.api_key_file, options.http.api_keys);
  options.http.certificate = options.certificate;
  options.http.private_key = options.private_key;
  const auto access = options.log == "json"    ? ServerLogOptions::Access::kJson
                      : options.log == "plain" ? ServerLogOptions::Access::kPlain
                                               : ServerLogOptions::Access::kOff;
  options.http.log = std::make_shared<ServerLog>(ServerLogOptions{.access = access});
  check_exposure(options.http);
}

std::string address_of(const HttpServerOptions& http, uint16_t port) {
  const bool six = http.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", http.certificate.empty() ? "http" : "https",
                     six ? "[" + http.host + "]" : http.host, port);
}

void run_serve(ServeOptions& options) {
  int64_t context_tokens = 0;
  const auto plan = [&](const ModelConfig& config, ChatFormat&) {
    const ServePlan chosen = plan_server(
        options.sizes, config, model_options(options.generation.model), available_memory_bytes());
    context_tokens = chosen.context_tokens;
    return chosen.needs;
  };
  const auto service_options = [&](TextEngine& text) {
    if (options.slowdown > 0) text.engine().limit_slowdown(options.slowdown / 100);
    return AnswerServiceOptions{.model_name = options.alias,
                                .sampling = text.sampling(),
                                .most_waiting = options.queue,
                                .context_tokens = context_tokens,
                                .expects_constraints = true};
  };
  ServedModel model(options.generation, plan, service_options, {.quiet = !options.globals.verbose});
  ApiSettings settings;
  settings.version = version();
  settings.model_path = options.generation.model.folder;
  const std::filesystem::path folder = options.generation.model.folder;
  settings.chat_template = text_of(folder / "chat_template.jinja");
  settings.tokenizer_config = text_of(folder / "tokenizer_config.json");
  settings.both_reasoning_fields = options.reasoning_field == "both";
  settings.memory_ledger = memory_json(model.text().loaded());
  settings.started = settings.now();
  HttpServer* running = nullptr;
  settings.ready = [&running] { return running && !running->stopping(); };
  const auto api = std::make_shared<Api>(model.service(), std::move(settings));
  HttpServer server(options.http, all_routes(api));
  running = &server;
  const StopSignals signals(server);
  if (!options.globals.quiet) {
    const ServiceStatus status = model.service().status();
    fmt::print(stderr, "{} on {}: {} at a time, {} tokens each.\n", options.alias,
               address_of(options.http, server.port()), status.slots.size(), status.context_tokens);
  }
  server.run();
}

void add_size_flags(CLI::App& command, ServeOptions& options) {
  command.option_defaults()->group("Size");
  command
      .add_option("-c,--context", options.sizes.context_tokens,
                  "Tokens of a prompt and its answer; 0: 65536, or what the model has")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31))
      ->capture_default_str();
  command
      .add_option("--parallel", options.sizes.parallel,
                  "Answers that run together, each with its context; 0: up to 4, as memory allows")
      ->check(CLI::Range(int64_t{0}, int64_t{256}))
      ->capture_default_str();
  command
      .add_option("--prefix-cache", options.sizes.prefix_cache_mib,
                  "MiB for states of prompts, so that they are not computed again (default: 2048, "
                  "or an eighth of the memory)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  command
      .add_option("--slowdown", options.slowdown,
                  "Percent that running answers may lose, on average, while prompts of others are "
                  "computed; 0: no limit, prompts first")
      ->check(CLI::Range(0.0, 10000.0))
      ->capture_default_str();
  command.add_option("--queue", options.queue, "Requests that may wait; more are refused")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command.option_defaults()->group("Options");
}

void add_network_flags(CLI::App& command, ServeOptions& options) {
  HttpServerOptions& http = options.http;
  command.option_defaults()->group("Network");
  command.add_option("--host", http.host, "Address to listen on")->capture_default_str();
  command.add_option("--port", http.port, "Port; 0: any that is free")->capture_default_str();
  command.add_option("--api-key", http.api_keys, "A key that clients must show; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--api-key-file", options.api_key_file, "A file of such keys, one a line")
      ->type_name("FILE");
  command.add_flag("--insecure", http.insecure, "Let others on the network in without a key");
  command
      .add_option("--allow-origin", http.allowed_origins,
                  "Let pages of this origin call; * for all; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--allow-host", http.allowed_hosts,
                  "Another name that a server on loopback is called by; * for all; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--tls-certificate", options.certificate, "Speak TLS with this certificate")
      ->type_name("FILE");
  command.add_option("--tls-key", options.private_key, "The private key of the certificate")
      ->type_name("FILE");
  command.add_option("--log", options.log, "A line on stderr for each answer")
      ->check(CLI::IsMember({"off", "plain", "json"}))
      ->capture_default_str();
  command.option_defaults()->group("Options");
}

}  // namespace

void add_serve_command(CLI::App& app) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Answer clients over HTTP");
  add_model_flags(*command, options->generation.model);
  default_to_shipped_model(*command, options->generation.model);
  add_run_flags(*command, options->generation.model);
  add_size_flags(*command, *options);
  add_network_flags(*command, *options);
  command->add_option("--alias", options->alias,
                      "Name of the model for clients (default: the end of -m)");
  command
      ->add_option("--reasoning-field", options->reasoning_field,
                   "Where chat answers carry reasoning; both: in `reasoning`, too")
      ->check(CLI::IsMember({"reasoning_content", "both"}))
      ->capture_default_str();
  add_sampling_flags(*command, options->generation.sampling);
  command->callback([options, command] {
    options->globals = globals_of(*command);
    std::string& folder = options->generation.model.folder;
    const std::string asked = folder;
    settle_model_flags(options->generation.model, *command);
    settle(*options, asked.empty() ? folder : asked);
    run_serve(*options);
  });
}

}  // namespace hearth
