// GET /openapi.json: the description of all this, from src/server/openapi.json.
#include "server/routes/routes.h"

namespace hearth {

extern const char* const kOpenApiDocument;  // written by the build

Route openapi_route(const std::shared_ptr<Api>&) {
  return {.method = "GET",
          .path = "/openapi.json",
          .handle = [](const std::shared_ptr<Exchange>& exchange) {
            HttpResponse response;
            response.body = kOpenApiDocument;
            exchange->respond(std::move(response));
          }};
}

}  // namespace hearth
