// hearth launch: runs a coding agent on the local server, or prints how to.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/globals.h"
#include "app/launch_clients.h"
#include "base/error.h"
#include "hub/http.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxListingBytes = 1 << 20;

struct LaunchFlags {
  std::string client;
  std::string url = "http://127.0.0.1:8080";
  std::string model;
  std::string api_key;
  bool print = false;
  std::vector<std::string> arguments;
};

const LaunchClient& client_named(const std::string& name) {
  for (const LaunchClient& client : launch_clients()) {
    if (client.name == name) return client;
  }
  throw UsageError("No client is called " + name + ".");
}

std::vector<std::string> client_names() {
  std::vector<std::string> names;
  for (const LaunchClient& client : launch_clients()) names.emplace_back(client.name);
  return names;
}

/// A proxy cannot reach what listens on this machine only, neither for us nor for the client.
void avoid_proxy(LaunchCommand& command, const std::string& url) {
  const bool local = url.find("//127.0.0.1") != url.npos || url.find("//localhost") != url.npos ||
                     url.find("//[::1]") != url.npos;
  bool proxy = false;
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
    proxy = proxy || std::getenv(name) != nullptr;
  }
  if (!local || !proxy) return;
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    const char* const now = std::getenv(name);
    const std::string hosts =
        std::string("127.0.0.1,localhost,::1") + (now && *now ? "," : "") + (now ? now : "");
    setenv(name, hosts.c_str(), 1);
    command.variables.emplace_back(name, hosts);
  }
}

/// A server's answer of status 200.
std::string fetch(HttpClient& http, const std::string& url) {
  std::string body;
  const TransferResponse response = http.exchange(
      {.url = url}, {.begin = {}, .write = [&](std::span<const std::byte> bytes) {
                       if (body.size() + bytes.size() > kMaxListingBytes) {
                         throw NetworkError(url + " sends more than 1 MiB.");
                       }
                       body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                     }});
  if (response.status == 200) return body;
  std::string advice = "Is it a server of hearth?";
  if (response.status == 401) advice = "Give the server's key with --api-key.";
  if (response.status == 503) advice = "It is loading or stopping: try again.";
  throw NetworkError(fmt::format("{} answers {}. {}", url, response.status, advice),
                     response.status == 503);
}

/// The entry of the model that was asked for, or of the first.
Json served_model(const Json& listing, const LaunchFlags& flags) {
  const auto data = listing.is_object() ? listing.find("data") : listing.end();
  std::string names;
  if (data != listing.end() && data->is_array()) {
    for (const Json& model : *data) {
      if (!model.is_object() || !model.contains("id") || !model["id"].is_string()) continue;
      const auto id = model["id"].get<std::string>();
      if (flags.model.empty() || flags.model == id) return model;
      names += (names.empty() ? "" : ", ") + id;
    }
  }
  if (names.empty()) {
    throw NetworkError(flags.url + "/v1/models lists no model. Is it a server of hearth?");
  }
  throw UsageError(fmt::format("--served-model: {} is not served at {}, but {}.", flags.model,
                               flags.url, names));
}

LaunchServer find_server(const LaunchFlags& flags) {
  HttpClient http({.endpoint = flags.url,
                   .token = flags.api_key,
                   .connect_seconds = 5,
                   .stall_seconds = 10,
                   .stop = {}});
  try {
    fetch(http, flags.url + "/health");
  } catch (const NetworkError& error) {
    throw NetworkError(fmt::format("No server is ready at {}: {} Start one with: hearth serve",
                                   flags.url, error.what()),
                       error.retryable());
  }
  const Json model =
      served_model(Json::parse(fetch(http, flags.url + "/v1/models"), nullptr, false), flags);
  LaunchServer server = {.url = flags.url, .model = model["id"], .api_key = flags.api_key};
  const auto context = model.find("max_model_len");
  if (context != model.end() && context->is_number_integer()) server.context_tokens = *context;
  return server;
}

/// Becomes the client. Returns only by an exception.
[[noreturn]] void become(const LaunchCommand& command, const LaunchClient& client) {
  for (const auto& [name, value] : command.variables) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments = {const_cast<char*>(command.program.c_str())};
  for (const std::string& each : command.arguments) {
    arguments.push_back(const_cast<char*>(each.c_str()));
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  if (errno == ENOENT) {
    throw Error(ExitCode::kFailure,
                fmt::format("{} is not installed: there is no \"{}\" on PATH. Install it with: {}",
                            client.title, command.program, client.install));
  }
  throw Error(ExitCode::kFailure, fmt::format("{}: {}.", command.program, std::strerror(errno)));
}

void run_launch(LaunchFlags flags, bool quiet) {
  while (flags.url.ends_with('/')) flags.url.pop_back();
  LaunchCommand without_proxy;
  avoid_proxy(without_proxy, flags.url);
  const LaunchClient& client = client_named(flags.client);
  const LaunchServer server = find_server(flags);
  LaunchCommand command = client.command(server);
  command.variables.insert(command.variables.end(), without_proxy.variables.begin(),
                           without_proxy.variables.end());
  command.arguments.insert(command.arguments.end(), flags.arguments.begin(), flags.arguments.end());
  if (flags.print) {
    fmt::print("{}", shell_text(command));
    return;
  }
  if (!quiet) {
    fmt::print(stderr, "{} with {} at {}\n", client.title, server.model, server.url);
  }
  become(command, client);
}

}  // namespace

void add_launch_command(CLI::App& app) {
  const auto flags = std::make_shared<LaunchFlags>();
  CLI::App* command = app.add_subcommand(
      "launch", "Run a coding agent on the server of hearth that runs, or print how to");
  command->add_option("client", flags->client, "The agent")
      ->required()
      ->check(CLI::IsMember(client_names()))
      ->configurable(false);
  command->add_option("--url", flags->url, "Address of the server")->capture_default_str();
  command->add_option("--served-model", flags->model,
                      "Name of the model; the first of the server, unless told");
  command->add_option("--api-key", flags->api_key, "Key of the server");
  command->add_flag("--print", flags->print, "Print the command instead of running it")
      ->configurable(false);
  command->add_option("arguments", flags->arguments, "Arguments of the agent, after --")
      ->configurable(false);
  command->callback([flags, command] { run_launch(*flags, globals_of(*command).quiet); });
}

}  // namespace hearth
