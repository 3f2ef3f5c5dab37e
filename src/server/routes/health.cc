// GET /health and /readyz: whether new requests are taken. GET /livez: whether anybody is there.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route health_route(AnswerService&, const ApiSettings& settings) {
  return {.method = "GET",
          .path = "/health",
          .handle = with_openai_errors([settings](const std::shared_ptr<Exchange>& exchange) {
            if (settings.ready && !settings.ready()) {
              throw ApiError(ApiError::Kind::kUnavailable, "The server is stopping.");
            }
            exchange->respond(json_response({{"status", "ok"}}));
          }),
          .open = true};
}

Route livez_route(AnswerService&, const ApiSettings&) {
  return {.method = "GET",
          .path = "/livez",
          .handle =
              [](const std::shared_ptr<Exchange>& exchange) {
                exchange->respond(json_response({{"status", "ok"}}));
              },
          .open = true};
}

}  // namespace hearth
