// GET /slots: what runs at the moment, in the form of llama.cpp's server.
#include <algorithm>

#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {
namespace {

Json slot_json(size_t index, const ServiceStatus::Slot& slot, int64_t context_tokens) {
  Json json = {{"id", index},
               {"n_ctx", context_tokens},
               {"speculative", false},
               {"is_processing", slot.busy}};
  if (!slot.busy) return json;
  json["id_task"] = slot.id;
  json["n_prompt_tokens"] = slot.prompt_tokens;
  json["n_prompt_tokens_processed"] = slot.prompt_done;
  json["next_token"] = Json::array({{{"n_decoded", slot.generated_tokens}}});
  return json;
}

bool asks_for_a_free_one(const std::string& query) {
  return query.find("fail_on_no_slot=1") != query.npos ||
         query.find("fail_on_no_slot=true") != query.npos;
}

}  // namespace

Route slots_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/slots",
          .handle = with_openai_errors([api](const std::shared_ptr<Exchange>& exchange) {
            const ServiceStatus status = api->service.status();
            const bool all_busy = std::all_of(status.slots.begin(), status.slots.end(),
                                              [](const auto& slot) { return slot.busy; });
            if (all_busy && asks_for_a_free_one(exchange->request().query)) {
              throw ApiError(ApiError::Kind::kUnavailable, "No slot is free.");
            }
            Json slots = Json::array();
            for (const ServiceStatus::Slot& slot : status.slots) {
              slots.push_back(slot_json(slots.size(), slot, status.context_tokens));
            }
            exchange->respond(json_response(slots));
          })};
}

}  // namespace hearth
