// What the tests of all dialects do: send bodies to a route, read answers back, damage bodies.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/dialect/json_fields.h"
#include "server/routes/routes.h"
#include "tests/server/support/fakes.h"
#include "tests/server/support/scripts.h"

namespace hearth::testing {

using Names = std::vector<std::string>;
using Reason = ChoiceFinished::Reason;

/// One route over a service that says what it is told to. The clock stands, and every id is "X".
class DialectTest : public ::testing::Test {
 protected:
  using MakeRoute = Route (*)(const std::shared_ptr<Api>& api);

  /// `question` is a body that the route takes.
  DialectTest(MakeRoute make_route, Json question);

  Route route() { return make_route_(std::make_shared<Api>(service_, settings_)); }

  /// Waits for the background where a body is a large one.
  std::shared_ptr<FakeExchange> ask(const std::string& body);
  std::shared_ptr<FakeExchange> post(const Json& body) { return ask(body.dump()); }

  /// The request that a body becomes.
  AnswerRequest request(const std::string& body);

  /// "PARAM: MESSAGE" of a body that is refused in OpenAI's form.
  std::string refusal(const std::string& body);
  /// Sends a body after each of 1000 damages: some are answered, many refused, all of them rightly.
  void expect_answered_or_refused(const Json& valid, uint64_t seed);

  Json whole(const std::string& body);
  Json whole(const Script& script, const Json& body);
  Json whole(const Script& script) { return whole(script, question_); }
  /// Of a script as named events.
  std::vector<SseEvent> stream(const Script& script, Json body);
  std::vector<SseEvent> stream(const Script& script) { return stream(script, question_); }

  FakeService service_;
  ApiSettings settings_;
  const Json question_;

 private:
  MakeRoute make_route_;
};

/// What is refused, and how.
struct BadBody {
  Json body;
  std::string parameter;
  std::string message;
};

/// Reads a body in a dialect; throws ApiError.
using ReadBody = std::function<void(const Json& body)>;

void expect_refused(const std::vector<BadBody>& rows, const ReadBody& read);

/// Reads a body after each of 3000 damages: some are read, most are refused in words, and nothing
/// else happens.
void expect_refused_or_read(const Json& valid, uint64_t seed, const ReadBody& read);

}  // namespace hearth::testing
