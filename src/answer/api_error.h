// Why a request gets no answer. Each dialect of the server has its own form for it.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace hearth {

/// A copy shares nothing with the original, since it may go to another thread: copies of a
/// std::runtime_error have one text and a count of its owners in common.
class ApiError : public std::exception {
 public:
  enum class Kind : uint8_t {
    kInvalid,          // 400: the request is wrong
    kContextLength,    // 400: prompt and answer do not fit the context
    kUnauthorized,     // 401
    kForbidden,        // 403
    kNotFound,         // 404
    kMethod,           // 405
    kTimeout,          // 408
    kTooLarge,         // 413
    kUnsupportedType,  // 415
    kOverloaded,       // 429: the queue is full
    kInternal,         // 500
    kUnavailable,      // 503: loading or stopping
  };

  /// `parameter` is the field of the request at fault, e.g. "messages[2].content"; may be empty.
  ApiError(Kind kind, std::string message, std::string parameter = {})
      : kind_(kind), message_(std::move(message)), parameter_(std::move(parameter)) {}

  const char* what() const noexcept override { return message_.c_str(); }
  Kind kind() const { return kind_; }
  int status() const;
  const std::string& parameter() const { return parameter_; }

 private:
  Kind kind_;
  std::string message_;
  std::string parameter_;
};

}  // namespace hearth
