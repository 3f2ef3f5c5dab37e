// GET /props: what this server is and how it samples unless told, as llama.cpp's server tells it.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

Json biases_json(const std::vector<LogitBias>& biases) {
  Json list = Json::array();
  for (const LogitBias& entry : biases) list.push_back({entry.token, entry.bias});
  return list;
}
template <typename T>
Json value_json(const T& value) {
  return value;
}
template <>
Json value_json(const std::vector<LogitBias>& value) {
  return biases_json(value);
}

Json sampling_json(const SamplingParameters& sampling) {
  Json json = Json::object();
  for (const SamplingParameter& row : sampling_parameters()) {
    json[row.name] =
        std::visit([&](auto member) { return value_json(sampling.*member); }, row.member);
  }
  json.erase("seed");  // each request draws its own
  return json;
}

}  // namespace

Route props_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/props",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            const ServiceStatus status = api->service.status();
            exchange->respond(
                json_response({{"default_generation_settings",
                                {{"n_ctx", status.context_tokens},
                                 {"params", sampling_json(api->service.default_sampling())}}},
                               {"total_slots", status.slots.size()},
                               {"model_alias", api->service.model_name()},
                               {"model_path", api->settings.model_path},
                               {"chat_template", api->settings.chat_template},
                               {"modalities", {{"vision", false}, {"audio", false}}},
                               {"build_info", "hearth " + api->settings.version}}));
          }};
}

}  // namespace hearth
