// GET /v1/models: the one model there is, by all its names, for OpenAI's clients (`data`) and for
// the catalog that Codex keeps (`models`).
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

Json model_json(const Api& api, const std::string& name) {
  const int64_t context_tokens = api.service.status().context_tokens;
  return {{"id", name},
          {"object", "model"},
          {"created", api.settings.started},
          {"owned_by", "hearth"},
          {"max_model_len", context_tokens},
          {"meta", {{"n_ctx", context_tokens}}}};
}

Json effort_json(const char* effort, const char* description) {
  return {{"effort", effort}, {"description", description}};
}

/// Codex takes an entry only with all the fields that its own catalog has; without one it would
/// assume a context that is not there, and never shorten a conversation in time.
Json catalog_entry(const AnswerService& service, const std::string& name) {
  const int64_t context_tokens = service.status().context_tokens;
  return {
      {"slug", name},
      {"id", name},
      {"name", name},
      {"model", name},
      {"display_name", name},
      {"description", "Served by hearth on this machine."},
      {"default_reasoning_level", "medium"},
      {"supported_reasoning_levels",
       Json::array({effort_json("low", "Reasons briefly"), effort_json("medium", "As it likes"),
                    effort_json("high", "As it likes")})},
      {"shell_type", "shell_command"},
      {"visibility", "list"},
      {"supported_in_api", true},
      {"priority", 0},
      {"additional_speed_tiers", Json::array()},
      {"availability_nux", nullptr},
      {"upgrade", nullptr},
      {"base_instructions",
       "You are a coding agent that works in the user's terminal. Look at files before you change "
       "them, run commands with the shell tool, keep changes small, check them, and report in a "
       "few sentences what you did."},
      {"supports_reasoning_summaries", false},
      {"default_reasoning_summary", "none"},
      {"support_verbosity", false},
      {"default_verbosity", nullptr},
      {"apply_patch_tool_type", nullptr},
      {"web_search_tool_type", "text"},
      {"truncation_policy", {{"mode", "tokens"}, {"limit", 10000}}},
      {"supports_parallel_tool_calls", true},
      {"supports_image_detail_original", false},
      {"context_window", context_tokens},
      {"max_context_window", context_tokens},
      {"effective_context_window_percent", 95},
      {"experimental_supported_tools", Json::array()},
      {"input_modalities", Json::array({"text"})},
      {"supports_search_tool", false},
  };
}

}  // namespace

Route models_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/v1/models",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            Json data = Json::array({model_json(*api, api->service.model_name())});
            for (const std::string& alias : api->settings.aliases) {
              data.push_back(model_json(*api, alias));
            }
            Json models = Json::array();
            for (const Json& model : data) {
              models.push_back(catalog_entry(api->service, model["id"].get<std::string>()));
            }
            exchange->respond(json_response(
                {{"object", "list"}, {"data", std::move(data)}, {"models", std::move(models)}}));
          }};
}

Route model_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/v1/models/",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            const std::string& path = exchange->request().path;
            const std::string name = path.substr(path.rfind("/models/") + 8);
            exchange->respond(json_response(model_json(*api, name)));
          }};
}

}  // namespace hearth
