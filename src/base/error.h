// What hearth throws, and the exit code each error ends the program with.
// Loading throws; requests return; a forward step cannot fail (docs/ARCHITECTURE.md).
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace hearth {

/// Exit codes of the program. The same kind of failure always ends with the same code.
enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kInvalidModel = 3,
  kOutOfMemory = 4,
  kNetwork = 5,      ///< the network, a server, or what it lets one have
  kInterrupted = 6,  ///< a download stopped half-way; the same command resumes it
  kCancelled = 130,  ///< ended by Ctrl-C
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// A wrong command line or option value.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

/// Not enough memory for what was asked.
class MemoryError : public Error {
 public:
  explicit MemoryError(const std::string& message) : Error(ExitCode::kOutOfMemory, message) {}
};

/// What is wrong with a model folder: where, what was expected, what was found, what to do.
struct LoadProblem {
  std::filesystem::path file;  ///< the file at fault
  std::string where;           ///< a tensor or a field inside it; may be empty
  std::string expected;
  std::string found;
  std::string advice;  ///< a full sentence; may be empty
};

/// An invalid model. The message reads `FILE: WHERE: expected E, found F. ADVICE`.
class LoadError : public Error {
 public:
  explicit LoadError(LoadProblem problem);
  const LoadProblem& problem() const { return problem_; }

 private:
  LoadProblem problem_;
};

}  // namespace hearth
