// Agents wired to a server: what is printed, what is run, what is said when something is missing.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include "app/launch_clients.h"
#include "tests/app/hearth_program.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::Outcome;
using testing::TempFolder;

/// Answers GET with what it has for a path, else with 404, one connection after another.
class SmallServer {
 public:
  explicit SmallServer(std::map<std::string, std::string> pages)
      : pages_(std::move(pages)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, any, bytes) != 0 || listen(listener_, 8) != 0 ||
        getsockname(listener_, any, &bytes) != 0) {
      throw std::runtime_error("no socket");
    }
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  SmallServer(const SmallServer&) = delete;
  SmallServer& operator=(const SmallServer&) = delete;
  ~SmallServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  const std::string& url() const { return url_; }

 private:
  void serve() {
    for (int connection = 0; (connection = accept(listener_, nullptr, nullptr)) >= 0;) {
      std::string head(4096, '\0');
      const ssize_t bytes = recv(connection, head.data(), head.size(), 0);
      head.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
      const size_t begin = head.find(' ') + 1;
      const auto page = pages_.find(head.substr(begin, head.find(' ', begin) - begin));
      const bool found = page != pages_.end();
      const std::string body = found ? page->second : "{}";
      const std::string answer =
          std::string("HTTP/1.1 ") + (found ? "200 OK" : "404 Not Found") +
          "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
          body;
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(connection);
    }
  }

  std::map<std::string, std::string> pages_;
  int listener_;
  std::string url_;
  std::thread thread_;
};

std::map<std::string, std::string> hearth_pages() {
  return {{"/health", R"({"status":"ok"})"},
          {"/v1/models", R"({"data":[{"id":"ember","max_model_len":32768},{"id":"alias"}]})"}};
}

/// The printed form for a client, of a server at port 1.
std::string printed(const std::string& name, const std::string& api_key = "") {
  for (const LaunchClient& client : launch_clients()) {
    if (client.name != name) continue;
    return shell_text(client.command({.url = "http://127.0.0.1:1",
                                      .model = "ember",
                                      .api_key = api_key,
                                      .context_tokens = 32768}));
  }
  return "no such client";
}

TEST(LaunchForms, Claude) {
  EXPECT_EQ(printed("claude"), R"(ANTHROPIC_BASE_URL=http://127.0.0.1:1 \
ANTHROPIC_AUTH_TOKEN=hearth \
ANTHROPIC_API_KEY='' \
ANTHROPIC_MODEL=ember \
ANTHROPIC_DEFAULT_OPUS_MODEL=ember \
ANTHROPIC_DEFAULT_SONNET_MODEL=ember \
ANTHROPIC_DEFAULT_HAIKU_MODEL=ember \
ANTHROPIC_SMALL_FAST_MODEL=ember \
CLAUDE_CODE_SUBAGENT_MODEL=ember \
CLAUDE_CODE_MAX_CONTEXT_TOKENS=32768 \
CLAUDE_CODE_AUTO_COMPACT_WINDOW=32768 \
CLAUDE_CODE_MAX_OUTPUT_TOKENS=8192 \
API_TIMEOUT_MS=3600000 \
CLAUDE_STREAM_IDLE_TIMEOUT_MS=3600000 \
CLAUDE_CODE_ATTRIBUTION_HEADER=0 \
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
claude
)");
}

TEST(LaunchForms, Codex) {
  const std::string rest = R"( \
  -c 'model_provider="hearth"' \
  -c 'model="ember"' \
  -c model_context_window=32768 \
  -c show_raw_agent_reasoning=true
)";
  const std::string provider =
      R"('model_providers.hearth={name="hearth",base_url="http://127.0.0.1:1/v1",)"
      R"(wire_api="responses",stream_idle_timeout_ms=3600000)";
  EXPECT_EQ(printed("codex"), "codex \\\n  -c " + provider + "}'" + rest);
  EXPECT_EQ(printed("codex", "it's"), "HEARTH_API_KEY='it'\\''s' \\\ncodex \\\n  -c " + provider +
                                          ",env_key=\"HEARTH_API_KEY\"}'" + rest);
}

TEST(LaunchForms, Opencode) {
  EXPECT_EQ(printed("opencode", "k"),
            R"(OPENCODE_CONFIG_CONTENT='{"$schema":"https://opencode.ai/config.json",)"
            R"("provider":{"hearth":{"npm":"@ai-sdk/openai-compatible","name":"hearth",)"
            R"("options":{"baseURL":"http://127.0.0.1:1/v1","apiKey":"k","timeout":3600000,)"
            R"("headerTimeout":3600000,"chunkTimeout":3600000},)"
            R"("models":{"ember":{"name":"ember","tool_call":true,)"
            R"("limit":{"context":32768,"output":8192}}}}},)"
            R"("model":"hearth/ember","small_model":"hearth/ember"}' \)"
            "\nopencode\n");
}

TEST(LaunchForms, Qwen) {
  EXPECT_EQ(printed("qwen"), R"(OPENAI_BASE_URL=http://127.0.0.1:1/v1 \
OPENAI_API_KEY=hearth \
OPENAI_MODEL=ember \
qwen \
  --auth-type openai \
  --model ember
)");
}

/// Runs `hearth launch`, away from proxies and from what is installed here.
class Launch : public ::testing::Test {
 protected:
  Outcome launch(const std::vector<std::string>& arguments, const std::string& variables = "") {
    std::vector<std::string> all = {"launch"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return testing::run_hearth(all,
                               "env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY "
                               "-u XDG_CONFIG_HOME HOME='" +
                                   folder_.path().string() + "' PATH='" + folder_.path().string() +
                                   ":/usr/bin:/bin' " + variables);
  }

  /// A program on PATH.
  void install(const std::string& name, const std::string& script) {
    const std::filesystem::path file = folder_.path() / name;
    testing::write_file(file, "#!/bin/sh\n" + script);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }

  TempFolder folder_;
  SmallServer server_{hearth_pages()};
};

TEST_F(Launch, PrintsForEveryClient) {
  for (const LaunchClient& client : launch_clients()) {
    const Outcome outcome = launch({client.name, "--print", "--url", server_.url() + "/"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(
        outcome.out,
        shell_text(client.command(
            {.url = server_.url(), .model = "ember", .api_key = "", .context_tokens = 32768})));
  }
}

TEST_F(Launch, RunsTheClientWithItsArguments) {
  install("qwen",
          "echo \"$OPENAI_BASE_URL $OPENAI_API_KEY\"; for a; do echo \"<$a>\"; done; exit 7");
  const Outcome outcome = launch({"qwen", "--url", server_.url(), "--served-model", "alias",
                                  "--api-key", "k", "--", "-p", "two words"});
  EXPECT_EQ(outcome.out, server_.url() +
                             "/v1 k\n<--auth-type>\n<openai>\n<--model>\n<alias>\n"
                             "<-p>\n<two words>\n");
  EXPECT_EQ(outcome.exit_code, 7);
}

TEST_F(Launch, WhatIsPrintedRuns) {
  install("opencode", "echo \"$OPENCODE_CONFIG_CONTENT\"; echo \"$1\"");
  const Outcome printed =
      launch({"opencode", "--print", "--url", server_.url(), "--api-key", "it's", "--", "a b"});
  const Outcome run = testing::run_program(
      "sh", {"-c", printed.out}, "env PATH='" + folder_.path().string() + ":/usr/bin:/bin'");
  EXPECT_NE(run.out.find("\"apiKey\":\"it's\""), std::string::npos) << run.out << run.err;
  EXPECT_NE(run.out.find("\na b\n"), std::string::npos) << run.out;
}

TEST_F(Launch, ProxiesAreKeptOut) {
  const Outcome outcome = launch({"qwen", "--print", "--url", server_.url()},
                                 "http_proxy=http://127.0.0.1:9 NO_PROXY=example.org no_proxy=");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("NO_PROXY=127.0.0.1,localhost,::1,example.org \\\n"),
            std::string::npos)
      << outcome.out;
}

TEST_F(Launch, SaysWhatToInstall) {
  const Outcome outcome = launch({"codex", "--url", server_.url()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("Codex is not installed: there is no \"codex\" on PATH. Install it "
                             "with: npm install -g @openai/codex"),
            std::string::npos)
      << outcome.err;
}

TEST_F(Launch, SaysWhenThereIsNoServer) {
  Outcome outcome = launch({"claude", "--print", "--url", "http://127.0.0.1:9"});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("No server is ready at http://127.0.0.1:9"), std::string::npos);
  EXPECT_NE(outcome.err.find("hearth serve"), std::string::npos) << outcome.err;

  const SmallServer other({});
  outcome = launch({"claude", "--print", "--url", other.url()});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_NE(outcome.err.find("/health answers 404. Is it a server of hearth?"), std::string::npos)
      << outcome.err;
}

TEST_F(Launch, SaysWhatIsServed) {
  const Outcome outcome =
      launch({"claude", "--print", "--url", server_.url(), "--served-model", "gpt"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("gpt is not served at " + server_.url() + ", but ember, alias."),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(launch({"vim", "--print"}).exit_code, 2);
}

}  // namespace
}  // namespace hearth
