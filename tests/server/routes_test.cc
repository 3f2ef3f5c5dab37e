// The routes that are no answers, and the document that describes all of them.
#include "server/routes/routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "server/dialect/json_fields.h"
#include "server/dialect/limits.h"
#include "tests/server/support/fakes.h"

namespace hearth {
namespace {

using testing::FakeExchange;
using testing::FakeService;
using testing::post_request;
using testing::respond;

class BusyService : public FakeService {
 public:
  ServiceStatus status() const override { return now; }
  std::string detokenize(const std::vector<int32_t>& tokens) const override {
    if (tokens == std::vector<int32_t>{7}) return "\xe2\x82";
    return FakeService::detokenize(tokens);
  }

  ServiceStatus now;
};

class RoutesTest : public ::testing::Test {
 protected:
  RoutesTest() {
    settings_.version = "1.2";
    settings_.started = 1700000000;
    settings_.aliases = {"qwen"};
    settings_.chat_template = "{{ messages }}";
    settings_.model_path = "models/ember";
    settings_.memory_ledger = {{"weight_bytes", 123}};
    settings_.ready = [this] { return ready_; };
    service_.now.slots = {
        {.busy = true, .id = 5, .prompt_tokens = 100, .prompt_done = 60, .generated_tokens = 2},
        {}};
    service_.now.context_tokens = 4096;
    service_.now.waiting = 3;
    service_.now.requests = 9;
  }

  /// Of the settings at the first call, or at `settle`.
  std::shared_ptr<Api> api() {
    if (!api_) api_ = std::make_shared<Api>(service_, settings_);
    return api_;
  }
  void settle() { api_ = nullptr; }

  HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = "",
                   const std::string& query = "") {
    for (const Route& route : all_routes(api())) {
      if (route.method != method || route.path != path) continue;
      return respond(route, {.method = method,
                             .path = path,
                             .query = query,
                             .headers = {},
                             .body = body,
                             .id = "req_1",
                             .client = "127.0.0.1"});
    }
    ADD_FAILURE() << "no route " << method << " " << path;
    return {};
  }
  Json get(const std::string& path) { return Json::parse(ask("GET", path).body); }
  Json post(const std::string& path, const std::string& body) {
    return Json::parse(ask("POST", path, body).body);
  }

  bool ready_ = true;
  BusyService service_;
  ApiSettings settings_;

 private:
  std::shared_ptr<Api> api_;
};

TEST_F(RoutesTest, ExpertsSayHowOftenTheyWereChosen) {
  service_.uses.add(1, 2, 9);
  service_.uses.add(1, 3, 1);
  const Json experts = get("/v1/experts");
  EXPECT_EQ(experts["experts"], 4);
  ASSERT_EQ(experts["layers"].size(), 2u);
  EXPECT_EQ(experts["layers"][0]["unused_experts"], 4);
  const Json& layer = experts["layers"][1];
  EXPECT_EQ(layer["layer"], 1);
  EXPECT_EQ(layer["choices"], 10);
  EXPECT_EQ(layer["unused_experts"], 2);
  EXPECT_DOUBLE_EQ(layer["busiest_tenth_share"], 0.9);
  EXPECT_EQ(layer["uses"], Json::parse("[0,0,9,1]"));
}

TEST_F(RoutesTest, ABenchmarkIsSoManyAnswersToTheirFullLength) {
  AnswerDone done;
  done.usage = {.prompt_tokens = 8, .generated_tokens = 5};
  done.usage.prefill_seconds = 0.5;
  done.usage.decode_seconds = 2;
  service_.script = {{0, AnswerAccepted{}}, {0, done}};
  const auto benchmark = [&](const char* body) {
    const Route route = benchmark_route(api());
    const auto exchange = std::make_shared<FakeExchange>(post_request(route.path, body));
    route.handle(exchange);
    return Json::parse(exchange->response->body);
  };
  const Json result = benchmark(R"({"prompt_tokens": 8, "generated_tokens": 5, "batch": 2})");
  ASSERT_EQ(result["answers"].size(), 2u);
  for (const Json& answer : result["answers"]) {
    EXPECT_DOUBLE_EQ(answer["prefill_tokens_per_s"], 16);
    EXPECT_DOUBLE_EQ(answer["decode_tokens_per_s"], 2);
  }
  ASSERT_EQ(service_.requests.size(), 2u);
  std::set<std::vector<int32_t>> prompts;
  for (const AnswerRequest& request : service_.requests) {
    EXPECT_FALSE(request.ends_at_end_token);
    EXPECT_FALSE(request.keeps_states);
    EXPECT_EQ(request.max_tokens, 5);
    prompts.insert(std::get<std::vector<int32_t>>(std::get<RawInput>(request.input)));
    EXPECT_EQ(prompts.rbegin()->size(), 8u);
  }
  EXPECT_EQ(prompts.size(), 2u);
  const Json error = benchmark(R"({"prompt_tokens": 100000})")["error"];
  EXPECT_EQ(error["param"], "prompt_tokens");
}

TEST_F(RoutesTest, MemoryIsWhatWasPlannedAndWhatIsHeld) {
  service_.now.kv_pages = 40;
  service_.now.kv_pages_free = 30;
  const Json memory = get("/v1/memory");
  EXPECT_EQ(memory["planned"]["weight_bytes"], 123);
  EXPECT_GT(memory["process"]["resident_bytes"], memory["process"]["anonymous_bytes"]);
  EXPECT_GT(memory["process"]["anonymous_bytes"], 0);
  EXPECT_GT(memory["system"]["available_bytes"], 0);
  EXPECT_EQ(memory["kv_pages_free"], 30);
}

TEST_F(RoutesTest, PathsAreUnique) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Route& route : all_routes(api())) {
    EXPECT_TRUE(seen.insert({route.method, route.path}).second) << route.path;
    EXPECT_TRUE(route.handle);
  }
}

TEST_F(RoutesTest, OnlyHealthAndTheRootAreOpen) {
  std::set<std::string> open;
  for (const Route& route : all_routes(api())) {
    if (route.open) open.insert(route.path);
  }
  EXPECT_EQ(open, (std::set<std::string>{"/", "/health", "/livez", "/readyz", "/v1/health"}));
}

TEST_F(RoutesTest, Models) {
  const Json list = get("/v1/models");
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(to_text(list["data"][0]),
            R"({"id":"ember","object":"model","created":1700000000,"owned_by":"hearth",)"
            R"("max_model_len":4096,"meta":{"n_ctx":4096}})");
  EXPECT_EQ(list["data"][1]["id"], "qwen");
  ASSERT_EQ(list["models"].size(), 2u);
  EXPECT_EQ(list["models"][1]["slug"], "qwen");
  EXPECT_EQ(list["models"][0]["context_window"], 4096);
  EXPECT_EQ(get("/models"), list);
  EXPECT_EQ(get("/v1/models/ember"), list["data"][0]);
  EXPECT_EQ(get("/v1/models/qwen"), list["data"][1]);
}

TEST_F(RoutesTest, EmbeddingsAreRefused) {
  const HttpResponse response = ask("POST", "/v1/embeddings", R"({"input": "a"})");
  EXPECT_EQ(response.status, 400);
  const Json error = Json::parse(response.body)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_NE(error["message"].get<std::string>().find("ember"), std::string::npos);
  EXPECT_EQ(response.headers, (HttpHeaders{{"x-should-retry", "false"}}));
}

TEST_F(RoutesTest, TokensAndBack) {
  EXPECT_EQ(to_text(post("/tokenize", R"({"content": "AB"})")), R"({"tokens":[65,66]})");
  EXPECT_EQ(to_text(post("/tokenize", R"({"prompt": "A"})")), R"({"tokens":[65]})");
  EXPECT_EQ(to_text(post("/tokenize", R"({"content": "A\u0007", "with_pieces": true})")),
            R"({"tokens":[{"id":65,"piece":"A"},{"id":7,"piece":[226,130]}]})");
  EXPECT_EQ(to_text(post("/detokenize", R"({"tokens": [65, 66]})")),
            R"({"content":"AB","prompt":"AB"})");
  EXPECT_EQ(ask("POST", "/tokenize", "{}").status, 400);
  EXPECT_EQ(ask("POST", "/detokenize", R"({"tokens": [-1]})").status, 400);
  EXPECT_EQ(ask("POST", "/detokenize", R"({"tokens": "a"})").status, 400);
  EXPECT_EQ(ask("POST", "/detokenize", "[]").status, 400);
}

TEST_F(RoutesTest, TokenizerInfo) {
  EXPECT_EQ(ask("GET", "/tokenizer_info").body, R"({"chat_template":"{{ messages }}"})");
  settings_.tokenizer_config = R"({"bos_token": null, "eos_token": "<|im_end|>"})";
  settle();
  EXPECT_EQ(ask("GET", "/tokenizer_info").body,
            R"({"bos_token":null,"eos_token":"<|im_end|>","chat_template":"{{ messages }}"})");
  settings_.chat_template.clear();
  settings_.tokenizer_config = R"({"chat_template": "{{ 1 }}"})";
  settle();
  EXPECT_EQ(ask("GET", "/tokenizer_info").body, R"({"chat_template":"{{ 1 }}"})");
}

TEST_F(RoutesTest, ApplyTemplate) {
  const std::string body = R"({"messages": [{"role": "user", "content": "a"}]})";
  EXPECT_EQ(to_text(post("/apply-template", body)), R"({"prompt":"prepared"})");
  service_.prepare_error = ApiError(ApiError::Kind::kInvalid, "raised", "messages");
  const HttpResponse response = ask("POST", "/apply-template", body);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Json::parse(response.body)["error"]["message"], "raised");
  EXPECT_EQ(ask("POST", "/apply-template", "{}").status, 400);
}

TEST_F(RoutesTest, Props) {
  service_.sampling.temperature = 0.25;
  const Json props = get("/props");
  EXPECT_EQ(props["default_generation_settings"]["n_ctx"], 4096);
  EXPECT_EQ(props["default_generation_settings"]["params"]["temperature"], 0.25);
  EXPECT_EQ(props["total_slots"], 2);
  EXPECT_EQ(props["chat_template"], "{{ messages }}");
  EXPECT_EQ(props["model_path"], "models/ember");
}

TEST_F(RoutesTest, Slots) {
  EXPECT_EQ(ask("GET", "/slots").body,
            R"([{"id":0,"n_ctx":4096,"speculative":false,"is_processing":true,"id_task":5,)"
            R"("n_prompt_tokens":100,"n_prompt_tokens_processed":60,)"
            R"("next_token":[{"n_decoded":2}]},)"
            R"({"id":1,"n_ctx":4096,"speculative":false,"is_processing":false}])");
  EXPECT_EQ(ask("GET", "/slots", "", "fail_on_no_slot=1").status, 200);
  service_.now.slots.pop_back();
  EXPECT_EQ(ask("GET", "/slots", "", "fail_on_no_slot=1").status, 503);
  EXPECT_EQ(ask("GET", "/slots").status, 200);
}

TEST_F(RoutesTest, Health) {
  for (const char* path : {"/health", "/v1/health", "/readyz", "/livez"}) {
    EXPECT_EQ(ask("GET", path).body, R"({"status":"ok"})") << path;
  }
  ready_ = false;
  for (const char* path : {"/health", "/v1/health", "/readyz"}) {
    const HttpResponse response = ask("GET", path);
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(Json::parse(response.body)["error"]["type"], "unavailable_error");
  }
  EXPECT_EQ(ask("GET", "/livez").status, 200);
}

TEST_F(RoutesTest, Root) {
  EXPECT_EQ(ask("GET", "/").body,
            "hearth 1.2 serves ember; /openapi.json describes how to talk to it.\n");
}

TEST_F(RoutesTest, Metrics) {
  api()->metrics->count("/v1/chat/completions", "ok");
  api()->metrics->first_text(0.3);
  service_.name = "an \"odd\"\nname";
  const HttpResponse response = ask("GET", "/metrics");
  EXPECT_TRUE(response.content_type.starts_with("text/plain; version=0.0.4"));
  for (const char* line :
       {"\nhearth_requests_total 9\n", "\nhearth_requests_running 1\n",
        "\nhearth_requests_waiting 3\n", "\nhearth_slots 2\n", "\nhearth_context_tokens 4096\n",
        "\nhearth_answers_total{", "\nhearth_time_to_first_text_seconds_bucket{le=\"0.5\"} 1\n",
        "\nhearth_build_info{version=\"1.2\",model=\"an \\\"odd\\\"\\nname\"} 1\n"}) {
    EXPECT_NE(("\n" + response.body).find(line), std::string::npos) << line << response.body;
  }
  // promtool wants such names, and counters that end in _total.
  std::istringstream lines(response.body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line.substr(7));
    std::string name, type;
    words >> name >> type;
    EXPECT_TRUE(name.starts_with("hearth_")) << line;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), name.npos) << line;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << line;
  }
}

/// promtool is not in every Debian installation that tests; where it is, it has the last word.
TEST_F(RoutesTest, PromtoolAcceptsTheMetrics) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "no promtool";
  api()->metrics->count("/v1/chat/completions", "ok");
  api()->metrics->first_text(0.3);
  const std::string path = ::testing::TempDir() + "hearth_metrics.txt";
  std::ofstream(path) << ask("GET", "/metrics").body;
  EXPECT_EQ(std::system(("promtool check metrics < " + path).c_str()), 0);
}

/// "POST /v1/models/{model}" of a route, as the document names it.
std::string documented_name(const Route& route) {
  const std::string models = "/v1/models/";
  const bool named = route.path.starts_with(models);
  return route.method + " " + (named ? models + "{model}" : route.path);
}

TEST_F(RoutesTest, TheDocumentDescribesEveryRouteAndNoOther) {
  std::set<std::string> routes;
  for (const Route& route : all_routes(api())) routes.insert(documented_name(route));
  std::set<std::string> documented;
  const Json document = get("/openapi.json");
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, description] : methods.items()) {
      std::string name = method;
      std::ranges::transform(name, name.begin(), [](char c) { return std::toupper(c); });
      documented.insert(name + " " + path);
      EXPECT_FALSE(description["summary"].get<std::string>().empty()) << path;
      EXPECT_FALSE(description["responses"].empty()) << path;
    }
  }
  EXPECT_EQ(documented, routes);
}

TEST_F(RoutesTest, TheDocumentKnowsWhichRoutesNeedNoKey) {
  const Json document = get("/openapi.json");
  for (const Route& route : all_routes(api())) {
    std::string name = documented_name(route);
    std::string method = name.substr(0, name.find(' '));
    std::ranges::transform(method, method.begin(), [](char c) { return std::tolower(c); });
    const Json& description = document["paths"][name.substr(name.find(' ') + 1)][method];
    EXPECT_EQ(description.contains("security"), route.open) << name;
    EXPECT_EQ(description["responses"].contains("401"), !route.open) << name;
  }
}

/// Every "$ref" inside.
void collect_references(const Json& value, std::set<std::string>& all) {
  if (value.is_object() && value.contains("$ref")) all.insert(value["$ref"].get<std::string>());
  if (!value.is_structured()) return;
  for (const Json& each : value) collect_references(each, all);
}

TEST_F(RoutesTest, TheDocumentsReferencesLeadSomewhere) {
  const Json document = get("/openapi.json");
  std::set<std::string> references;
  collect_references(document, references);
  EXPECT_GT(references.size(), 10u);
  for (const std::string& reference : references) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
}

TEST_F(RoutesTest, TheDocumentStatesTheLimits) {
  const Json schemas = get("/openapi.json")["components"]["schemas"];
  const Json& sampling = schemas["Sampling"]["properties"];
  const Json& sending = schemas["Sending"]["properties"];
  const Json& chat = schemas["ChatRequest"]["allOf"][2]["properties"];
  const Json& completion = schemas["CompletionRequest"]["allOf"][2]["properties"];
  EXPECT_EQ(sampling["stop"]["anyOf"][1]["maxItems"], kLimits.stop_strings);
  EXPECT_EQ(sending["n"]["maximum"], kLimits.choices);
  EXPECT_EQ(chat["messages"]["maxItems"], kLimits.messages);
  EXPECT_EQ(chat["tools"]["anyOf"][0]["maxItems"], kLimits.tools);
  EXPECT_EQ(chat["top_logprobs"]["maximum"], kLimits.top_logprobs);
  EXPECT_EQ(completion["prompt"]["anyOf"][1]["maxItems"], kLimits.prompts);
  EXPECT_EQ(completion["logprobs"]["maximum"], kLimits.top_logprobs);
  // Those of sampling are in its own table.
  for (const SamplingParameter& row : sampling_parameters()) {
    if (!sampling.contains(row.name) || !sampling[row.name].contains("minimum")) continue;
    EXPECT_EQ(sampling[row.name]["minimum"].get<double>(), row.min) << row.name;
    if (sampling[row.name].contains("maximum")) {
      EXPECT_EQ(sampling[row.name]["maximum"].get<double>(), row.max) << row.name;
    }
  }
}

}  // namespace
}  // namespace hearth
