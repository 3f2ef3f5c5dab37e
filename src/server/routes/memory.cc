// GET /v1/memory: what the model takes, as it was counted before it was loaded, and what is held
// now.
#include "os/memory_info.h"
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route memory_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/v1/memory",
          .handle = [api](const std::shared_ptr<Exchange>& exchange) {
            const ServiceStatus status = api->service.status();
            exchange->respond(
                json_response({{"planned", api->settings.memory_ledger},
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
