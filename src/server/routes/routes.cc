#include "server/routes/routes.h"

namespace hearth {
namespace {

struct Row {
  Route (*make)(const std::shared_ptr<Api>&);
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
      {memory_route},
      {experts_route},
      {benchmark_route},
      {health_route, {"/v1/health", "/readyz"}},
      {livez_route},
      {metrics_route},
      {openapi_route},
      {root_route},
  };
  return rows;
}

}  // namespace

std::vector<Route> all_routes(const std::shared_ptr<Api>& api) {
  std::vector<Route> routes;
  for (const Row& row : rows()) {
    routes.push_back(row.make(api));
    for (const char* path : row.other_paths) {
      Route other = routes.back();
      other.path = path;
      routes.push_back(std::move(other));
    }
  }
  // Each name of the model is a path, too.
  std::vector<std::string> names = {api->service.model_name()};
  const std::vector<std::string>& aliases = api->settings.aliases;
  names.insert(names.end(), aliases.begin(), aliases.end());
  for (const std::string& name : names) {
    routes.push_back(model_route(api));
    routes.back().path += name;
  }
  return routes;
}

}  // namespace hearth
