// GET /: a line for those who look whether somebody is there. Claude Code asks for its head, which
// the server makes from it.
#include "server/routes/routes.h"

namespace hearth {

Route root_route(AnswerService& service, const ApiSettings& settings) {
  return {.method = "GET",
          .path = "/",
          .handle =
              [&service, settings](const std::shared_ptr<Exchange>& exchange) {
                HttpResponse response;
                response.content_type = "text/plain; charset=utf-8";
                response.body = "hearth " + settings.version + " serves " + service.model_name() +
                                "; /openapi.json describes how to talk to it.\n";
                exchange->respond(std::move(response));
              },
          .open = true};
}

}  // namespace hearth
