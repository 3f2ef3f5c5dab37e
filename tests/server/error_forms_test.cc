// Errors of the server itself, each in the form that the clients of a route read.
#include <gtest/gtest.h>

#include "server/dialect/json_fields.h"
#include "server/routes/routes.h"
#include "tests/server/http_client.h"
#include "tests/server/support/fakes.h"

namespace hearth {
namespace {

using namespace testing;  // NOLINT: client and fakes

class ErrorForms : public ::testing::Test {
 protected:
  static HttpServerOptions with_key() {
    HttpServerOptions options;
    options.api_keys = {"key"};
    return options;
  }

  /// "STATUS TYPE" of an error in Anthropic's form.
  std::string anthropic_error(const std::string& request) {
    const Reply reply = fetch(server_.port(), request);
    const Json body = Json::parse(reply.body, nullptr, false);
    if (body.value("type", "") != "error") return "another form: " + reply.body;
    EXPECT_FALSE(body["error"]["message"].get<std::string>().empty());
    EXPECT_EQ(body["request_id"], "one");
    EXPECT_EQ(reply.header("request-id"), "one");
    return std::to_string(reply.status) + " " + body["error"]["type"].get<std::string>();
  }

  FakeService service_;
  RunningServer server_{all_routes(std::make_shared<Api>(service_, ApiSettings())), with_key()};
};

TEST_F(ErrorForms, AnthropicsClientsReadTheirOwn) {
  const std::string id = "x-request-id: one\r\n";
  const std::string key = id + "x-api-key: key\r\n";
  EXPECT_EQ(anthropic_error(post("/v1/messages", "{}", id)), "401 authentication_error");
  EXPECT_EQ(anthropic_error(post("/v1/messages/count_tokens", "{}", id)),
            "401 authentication_error");
  EXPECT_EQ(anthropic_error(post("/v1/messages", "{}", key + "Origin: https://foe.example\r\n")),
            "403 permission_error");
  EXPECT_EQ(anthropic_error(get("/v1/messages/batches", key)), "404 not_found_error");
  EXPECT_EQ(anthropic_error(get("/v1/messages", key)), "405 invalid_request_error");
  EXPECT_EQ(anthropic_error("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n" + key +
                            "Content-Length: 99999999\r\n\r\n"),
            "413 request_too_large");
  EXPECT_EQ(anthropic_error(post("/v1/messages", "{", key)), "400 invalid_request_error");
}

TEST_F(ErrorForms, HeadersOfTheServerStay) {
  EXPECT_EQ(fetch(server_.port(), post("/v1/messages", "{}")).header("WWW-Authenticate"), "Bearer");
  const Reply reply = fetch(server_.port(), get("/v1/messages", "x-api-key: key\r\n"));
  EXPECT_EQ(reply.header("Allow"), "POST, OPTIONS");
}

TEST_F(ErrorForms, OtherPathsHaveTheServersOwn) {
  for (const char* path : {"/v1/chat/completions", "/v1/messagesandmore", "/v1", "/nowhere"}) {
    const Reply reply = fetch(server_.port(), post(path, "{}"));
    EXPECT_GE(reply.status, 400) << path;
    const Json body = Json::parse(reply.body, nullptr, false);
    EXPECT_FALSE(body.contains("type")) << path;
    EXPECT_TRUE(body["error"].contains("code")) << path;
  }
}

}  // namespace
}  // namespace hearth
