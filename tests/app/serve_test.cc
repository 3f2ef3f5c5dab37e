// The server as a program: it says where it is, answers, finds what it has computed, and ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/app/hearth_program.h"
#include "tests/server/http_client.h"
#include "tests/support/temp_folder.h"

namespace hearth::testing {
namespace {

using Json = nlohmann::ordered_json;

class ServerProcess {
 public:
  /// Of the model that comes with hearth when `model` is empty.
  explicit ServerProcess(std::vector<std::string> arguments, const std::string& model = kModel) {
    if (!model.empty()) arguments.insert(arguments.begin(), {"-m", model});
    arguments.insert(arguments.begin(), {HEARTH_PROGRAM, "--no-config", "serve", "--port", "0"});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    process_ = fork();
    if (process_ == 0) {
      dup2(ends[1], 2);
      close(ends[0]);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    error_ = ends[0];
    const std::string line = first_line();
    const size_t place = line.find("http://127.0.0.1:");
    EXPECT_NE(place, std::string::npos) << line;
    if (place != std::string::npos)
      port_ = static_cast<uint16_t>(std::stoi(line.substr(place + 17)));
  }
  ~ServerProcess() {
    if (process_ > 0) kill(process_, SIGKILL), waitpid(process_, nullptr, 0);
    close(error_);
  }

  uint16_t port() const { return port_; }

  /// How it ends when it is told to.
  int terminate() {
    kill(process_, SIGTERM);
    int status = -1;
    waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  std::string first_line() const {
    std::string line;
    for (char c = 0; ::read(error_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  pid_t process_ = -1;
  int error_ = -1;
  uint16_t port_ = 0;
};

Json chat(uint16_t port, const Json& messages, int64_t max_tokens) {
  const Json body = {{"messages", messages}, {"max_tokens", max_tokens}, {"temperature", 0}};
  const Reply reply = fetch(port, post("/v1/chat/completions", body.dump()));
  EXPECT_EQ(reply.status, 200) << reply.body;
  return Json::parse(reply.body, nullptr, false);
}

TEST(Serve, AnswersFindsWhatItKnowsAndEnds) {
  ServerProcess server({"--parallel", "2", "--prefix-cache", "64", "--alias", "tiny"});
  EXPECT_EQ(fetch(server.port(), get("/health")).status, 200);
  const Json models = Json::parse(fetch(server.port(), get("/v1/models")).body);
  EXPECT_EQ(models["data"][0]["id"], "tiny");

  Json messages = {{{"role", "system"}, {"content", "Be brief."}},
                   {{"role", "user"}, {"content", "What is the capital of France?"}}};
  const Json first = chat(server.port(), messages, 8);
  EXPECT_EQ(first["usage"]["completion_tokens"], 8);
  EXPECT_EQ(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  const Json again = chat(server.port(), messages, 8);
  EXPECT_EQ(again["choices"][0]["message"], first["choices"][0]["message"]);
  EXPECT_GT(again["usage"]["prompt_tokens_details"]["cached_tokens"], 0);

  // The same, streamed.
  Json body = {{"messages", messages}, {"max_tokens", 8}, {"temperature", 0}, {"stream", true}};
  const Reply stream = fetch(server.port(), post("/v1/chat/completions", body.dump()));
  EXPECT_EQ(stream.header("content-type").substr(0, 17), "text/event-stream");
  EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n")) << stream.body;
  std::string text;
  for (size_t at = stream.body.find("data: {"); at != std::string::npos;
       at = stream.body.find("data: {", at + 1)) {
    const Json chunk = Json::parse(stream.body.substr(at + 6, stream.body.find('\n', at) - at - 6));
    if (chunk["choices"].empty()) continue;
    const Json& delta = chunk["choices"][0]["delta"];
    if (delta.contains("content") && delta["content"].is_string()) {
      text += delta["content"].get<std::string>();
    }
  }
  EXPECT_EQ(text, first["choices"][0]["message"]["content"].get<std::string>());

  const Json sizes = {{"prompt_tokens", 100}, {"generated_tokens", 10}, {"batch", 3}};
  const Json speed =
      Json::parse(fetch(server.port(), post("/v1/benchmark", sizes.dump())).body, nullptr, false);
  ASSERT_EQ(speed["answers"].size(), 3u) << speed;
  for (const Json& answer : speed["answers"]) {
    EXPECT_GT(answer["prefill_tokens_per_s"], 0) << speed;
    EXPECT_GT(answer["decode_tokens_per_s"], 0) << speed;
  }
  EXPECT_EQ(server.terminate(), 0);
}

TEST(Serve, TheModelIsCalledAsItsFolder) {
  const auto name = [](const std::string& model) {
    const ServerProcess server({"-c", "512"}, model);
    const Json models = Json::parse(fetch(server.port(), get("/v1/models")).body);
    return models["data"][0]["id"];
  };
  EXPECT_EQ(name(kModel), "int4-mixed");
  EXPECT_EQ(name(""), "ember");
}

TEST(Serve, WhoLeavesFreesTheirPlace) {
  ServerProcess server({"--parallel", "1"});
  const Json body = {{"prompt", "Once upon a time"},
                     {"max_tokens", 4000},
                     {"stream", true},
                     {"logit_bias", {{"992", -100}, {"990", -100}}}};
  {
    HttpClient client(server.port());
    client.send(post("/v1/completions", body.dump()));
    EXPECT_NE(client.read_until("data: {").find("data: {"), std::string::npos);
  }
  const Json short_body = {{"prompt", "And then"}, {"max_tokens", 2}};
  EXPECT_EQ(fetch(server.port(), post("/v1/completions", short_body.dump())).status, 200);
  EXPECT_EQ(server.terminate(), 0);
}

TEST(Serve, PromptsTooLongAreNamedAsClientsExpect) {
  ServerProcess server({"-c", "64"});
  const Json body = {{"prompt", std::vector<int>(100, 5)}, {"max_tokens", 2}};
  const Reply reply = fetch(server.port(), post("/v1/completions", body.dump()));
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("prompt is too long: 100 tokens > 63 maximum"), std::string::npos)
      << reply.body;
}

TEST(Serve, KeysComeFromFlagsAndFiles) {
  const TempFolder folder;
  write_file(folder.path() / "keys", "second\n\nthird\n");
  ServerProcess server({"--api-key", "first", "--api-key-file", (folder.path() / "keys").string()});
  EXPECT_EQ(fetch(server.port(), get("/v1/models")).status, 401);
  for (const std::string key : {"first", "second", "third"}) {
    EXPECT_EQ(
        fetch(server.port(), get("/v1/models", "Authorization: Bearer " + key + "\r\n")).status,
        200);
  }
}

TEST(Serve, WhatCannotBeServedIsRefused) {
  const auto run = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--no-config", "serve", "-m", kModel});
    return run_hearth(arguments);
  };
  const Outcome open = run({"--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(open.exit_code, 2) << open.err;
  EXPECT_NE(open.err.find("API key"), std::string::npos) << open.err;
  EXPECT_EQ(run({"--alias", "a/b"}).exit_code, 2);
  EXPECT_EQ(run({"--api-key-file", "/nowhere/keys"}).exit_code, 2);
  EXPECT_EQ(run({"-c", "5000"}).exit_code, 2);
  const Outcome missing = run_hearth({"--no-config", "serve", "-m", "/nowhere"});
  EXPECT_NE(missing.exit_code, 0);
}

}  // namespace
}  // namespace hearth::testing
