// Bodies that take long to understand, while others want to be answered.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "server/routes/routes.h"
#include "tests/server/http_client.h"
#include "tests/server/support/fakes.h"
#include "tests/server/support/scripts.h"

namespace hearth {
namespace {

using testing::fetch;
using testing::HttpClient;

/// Every dialect asks for the sampling in the middle of a body: there it has to wait.
class SlowService : public testing::FakeService {
 public:
  SlowService() {
    script = testing::answer_of({{testing::text("Hi")}}, ChoiceFinished::Reason::kEnd);
  }

  const SamplingParameters& default_sampling() const override {
    ++asked;
    gate.wait();
    return sampling;
  }

  mutable std::atomic<int> asked = 0;
  std::promise<void> go;

 private:
  std::shared_future<void> gate = go.get_future();
};

/// What is before and behind a long text in a body.
struct Dialect {
  const char* path;
  const char* before;
  const char* behind;
};

class LargeBodies : public ::testing::TestWithParam<Dialect> {
 protected:
  static std::string request() {
    const std::string text(8'000'000, 'x');
    return testing::post(GetParam().path, GetParam().before + text + GetParam().behind);
  }
  bool is_being_understood() {
    return testing::eventually([this] { return service_.asked > 0; });
  }
  int health() const { return fetch(server_.port(), testing::get("/health")).status; }

  SlowService service_;
  testing::RunningServer server_{all_routes(std::make_shared<Api>(service_, ApiSettings()))};
};

TEST_P(LargeBodies, HoldUpNobodyElse) {
  HttpClient client(server_.port());
  client.send(request());
  EXPECT_TRUE(is_being_understood());
  EXPECT_EQ(health(), 200);
  service_.go.set_value();
  EXPECT_EQ(client.read_reply().status, 200);
}

TEST_P(LargeBodies, MayBeLeftBehind) {
  {
    HttpClient client(server_.port());
    client.send(request());
    EXPECT_TRUE(is_being_understood());
  }
  EXPECT_EQ(health(), 200);
  service_.go.set_value();
  EXPECT_EQ(health(), 200);
}

INSTANTIATE_TEST_SUITE_P(
    All, LargeBodies,
    ::testing::Values(Dialect{"/v1/chat/completions",
                              R"({"messages": [{"role": "user", "content": ")", R"("}]})"},
                      Dialect{"/v1/completions", R"({"prompt": ")", R"("})"},
                      Dialect{"/v1/responses", R"({"input": ")", R"("})"},
                      Dialect{"/v1/messages",
                              R"({"max_tokens": 9, "messages": [{"role": "user", "content": ")",
                              R"("}]})"},
                      Dialect{"/v1/messages/count_tokens",
                              R"({"messages": [{"role": "user", "content": ")", R"("}]})"}));

}  // namespace
}  // namespace hearth
