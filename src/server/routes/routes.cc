#include "server/routes/routes.h"

#include "server/routes/messages.h"
#include "server/routes/responses.h"

namespace hearth {
namespace {

struct Row {
  Route (*make)(AnswerService&, const ApiSettings&);
  std::vector<const char*> other_paths = {};
};

const std::vector<Row>& rows() {
  static const std::vector<Row> rows = {
      {chat_completions_route},
      {completions_route},
      {responses_route},
      {messages_route},
      {count_tokens_route},
      {models_route, {"/models"}},
      {embeddings_route},
      {tokenize_route},
      {detokenize_route},
      {tokenizer_info_route},
      {apply_template_route},
      {props_route},
      {slots_route},
      {health_route, {"/v1/health", "/readyz"}},
      {livez_route},
      {metrics_route},
      {openapi_route},
      {root_route},
  };
  return rows;
}

}  // namespace

std::vector<Route> all_routes(AnswerService& service, const ApiSettings& settings) {
  std::vector<Route> routes;
  for (const Row& row : rows()) {
    routes.push_back(row.make(service, settings));
    for (const char* path : row.other_paths) {
      Route other = routes.back();
      other.path = path;
      routes.push_back(std::move(other));
    }
  }
  // Each name of the model is a path, too.
  std::vector<std::string> names = {service.model_name()};
  names.insert(names.end(), settings.aliases.begin(), settings.aliases.end());
  for (const std::string& name : names) {
    routes.push_back(model_route(service, settings));
    routes.back().path += name;
  }
  return routes;
}

}  // namespace hearth
