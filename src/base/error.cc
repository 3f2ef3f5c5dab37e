#include "base/error.h"

#include <fmt/format.h>

namespace hearth {
namespace {

std::string describe(const LoadProblem& problem) {
  std::string text = problem.file.string() + ": ";
  if (!problem.where.empty()) text += problem.where + ": ";
  text += fmt::format("expected {}, found {}.", problem.expected, problem.found);
  if (!problem.advice.empty()) text += " " + problem.advice;
  return text;
}

}  // namespace

LoadError::LoadError(LoadProblem problem)
    : Error(ExitCode::kInvalidModel, describe(problem)), problem_(std::move(problem)) {}

}  // namespace hearth
