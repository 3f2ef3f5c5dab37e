// GET /health and /readyz: whether new requests are taken. GET /livez: whether anybody is there.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route health_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/health",
          .handle = with_openai_errors([api](const std::shared_ptr<Exchange>& exchange) {
            if (api->settings.ready && !api->settings.ready()) {
              throw ApiError(ApiError::Kind::kUnavailable, "The server is stopping.");
            }
            exchange->respond(json_response({{"status", "ok"}}));
          }),
          .open = true};
}

Route livez_route(const std::shared_ptr<Api>&) {
  return {.method = "GET",
          .path = "/livez",
          .handle =
              [](const std::shared_ptr<Exchange>& exchange) {
                exchange->respond(json_response({{"status", "ok"}}));
              },
          .open = true};
}

}  // namespace hearth
