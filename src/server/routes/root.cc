// GET /: a line for those who look whether somebody is there. Claude Code asks for its head, which
// the server makes from it.
#include "server/routes/routes.h"

namespace hearth {

Route root_route(const std::shared_ptr<Api>& api) {
  return {.method = "GET",
          .path = "/",
          .handle =
              [api](const std::shared_ptr<Exchange>& exchange) {
                HttpResponse response;
                response.content_type = "text/plain; charset=utf-8";
                response.body = "hearth " + api->settings.version + " serves " +
                                api->service.model_name() +
                                "; /openapi.json describes how to talk to it.\n";
                exchange->respond(std::move(response));
              },
          .open = true};
}

}  // namespace hearth
