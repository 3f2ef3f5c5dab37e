// POST /v1/embeddings: a refusal that says why, for clients that try.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route embeddings_route(AnswerService& service, const ApiSettings&) {
  return {.method = "POST",
          .path = "/v1/embeddings",
          .handle = with_openai_errors([&service](const std::shared_ptr<Exchange>&) {
            throw ApiError(
                ApiError::Kind::kInvalid,
                "hearth makes no embeddings: " + service.model_name() +
                    " is a model that writes text. Ask a server with an embedding model.");
          })};
}

}  // namespace hearth
