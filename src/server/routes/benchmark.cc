// POST /v1/benchmark: how fast the model answers at the moment, beside whatever else it does.
// Random prompts that share no start with any other, answered to their full length.
#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/dialect/answering_route.h"
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

struct BenchmarkSizes {
  int64_t prompt_tokens = 512;
  int64_t generated_tokens = 64;  // of each answer
  int64_t batch = 1;              // prompts at once; more than there are slots wait
};

BenchmarkSizes sizes_of(const JsonFields& body, int64_t context_tokens) {
  constexpr int64_t kMostPrompts = 64;
  BenchmarkSizes sizes;
  sizes.prompt_tokens =
      body.integer("prompt_tokens", 1, context_tokens).value_or(sizes.prompt_tokens);
  sizes.generated_tokens =
      body.integer("generated_tokens", 1, context_tokens).value_or(sizes.generated_tokens);
  sizes.batch = body.integer("batch", 1, kMostPrompts).value_or(sizes.batch);
  return sizes;
}

AnswerRequest random_request(const BenchmarkSizes& sizes, int64_t vocab_size,
                             std::mt19937_64& random) {
  std::uniform_int_distribution<int32_t> token(0, static_cast<int32_t>(vocab_size) - 1);
  std::vector<int32_t> prompt(static_cast<size_t>(sizes.prompt_tokens));
  std::generate(prompt.begin(), prompt.end(), [&] { return token(random); });
  AnswerRequest request;
  request.input = RawInput(std::move(prompt));
  request.sampling.temperature = 0;
  request.max_tokens = sizes.generated_tokens;
  request.ends_at_end_token = false;
  request.keeps_states = false;
  return request;
}

/// What comes `tokens` times in so many seconds, a second; null when there is nothing to divide by.
Json rate(int64_t tokens, double seconds) {
  return seconds > 0 ? Json(static_cast<double>(tokens) / seconds) : Json();
}

class BenchmarkWriter : public AnswerWriter {
 public:
  explicit BenchmarkWriter(BenchmarkSizes sizes) : sizes_(sizes) {}

  std::string take(size_t, const AnswerEvent& event) override {
    if (const auto* done = std::get_if<AnswerDone>(&event.what)) usages_.push_back(done->usage);
    return "";
  }

  std::string finish() override {
    Json answers = Json::array();
    for (const GenerationUsage& usage : usages_) {
      answers.push_back(
          {{"queue_s", usage.queue_seconds},
           {"first_token_s", usage.prefill_seconds},
           {"prefill_tokens_per_s", rate(usage.prompt_tokens, usage.prefill_seconds)},
           {"decode_tokens_per_s", rate(usage.generated_tokens - 1, usage.decode_seconds)}});
    }
    const double seconds = clock_.seconds();
    return to_text(
        {{"prompt_tokens", sizes_.prompt_tokens},
         {"generated_tokens", sizes_.generated_tokens},
         {"batch", sizes_.batch},
         {"wall_s", seconds},
         {"generated_tokens_per_s", rate(sizes_.batch * sizes_.generated_tokens, seconds)},
         {"answers", answers}});
  }

  HttpResponse refuse(const ApiError& error) override { return openai_refusal(error); }

  /// Nothing of it is streamed.
  std::string fail(const ApiError&) override { return ""; }

 private:
  const BenchmarkSizes sizes_;
  const Stopwatch clock_;
  std::vector<GenerationUsage> usages_;
};

AnswerPlan benchmark_plan(const Api& api, const HttpRequest& http) {
  const Json body = http.body.empty() ? Json::object() : parse_json(http.body);
  const BenchmarkSizes sizes = sizes_of(JsonFields(body), api.service.status().context_tokens);
  std::mt19937_64 random{std::random_device{}()};
  AnswerPlan plan;
  for (int64_t i = 0; i < sizes.batch; ++i) {
    plan.requests.push_back(random_request(sizes, api.service.vocab_size(), random));
  }
  plan.writer = std::make_unique<BenchmarkWriter>(sizes);
  return plan;
}

}  // namespace

Route benchmark_route(const std::shared_ptr<Api>& api) {
  return answering_route("/v1/benchmark", api, benchmark_plan, openai_refusal);
}

}  // namespace hearth
