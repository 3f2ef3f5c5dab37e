// POST /v1/embeddings: a refusal that says why, for clients that try.
#include "server/dialect/openai_error.h"
#include "server/routes/routes.h"

namespace hearth {

Route embeddings_route(const std::shared_ptr<Api>& api) {
  return {.method = "POST",
          .path = "/v1/embeddings",
          .handle = with_openai_errors([api](const std::shared_ptr<Exchange>&) {
            throw ApiError(
                ApiError::Kind::kInvalid,
                "hearth makes no embeddings: " + api->service.model_name() +
                    " is a model that writes text. Ask a server with an embedding model.");
          })};
}

}  // namespace hearth
