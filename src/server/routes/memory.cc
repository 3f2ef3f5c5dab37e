// GET /v1/memory: what the model takes, as it was counted before it was loaded, and what is held now.
#include "os/memory_info.h"
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route memory_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "GET",
          .path = "/v1/memory",
          .handle = [&service, settings](const std::shared_ptr<Exchange>& exchange) {
            const ServiceStatus status = service.status();
            exchange->respond(
                json_response({{"planned", settings.memory_ledger},
                               {"process",
                                {{"resident_bytes", resident_memory_bytes()},
                                 {"anonymous_bytes", anonymous_memory_bytes()}}},
                               {"system", {{"available_bytes", available_memory_bytes()}}},
                               {"kv_pages", status.kv_pages},
                               {"kv_pages_free", status.kv_pages_free},
                               {"kept_states", status.kept_prefixes}}));
          }};
}

}  // namespace hearth
