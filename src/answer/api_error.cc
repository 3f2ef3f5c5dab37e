#include "answer/api_error.h"

#include "base/check.h"

namespace hearth {

int ApiError::status() const {
  switch (kind_) {
    case Kind::kInvalid:
    case Kind::kContextLength: return 400;
    case Kind::kUnauthorized: return 401;
    case Kind::kForbidden: return 403;
    case Kind::kNotFound: return 404;
    case Kind::kMethod: return 405;
    case Kind::kTimeout: return 408;
    case Kind::kTooLarge: return 413;
    case Kind::kUnsupportedType: return 415;
    case Kind::kOverloaded: return 429;
    case Kind::kInternal: return 500;
    case Kind::kUnavailable: return 503;
  }
  CHECK(!"an unknown kind of error");
  return 500;
}

}  // namespace hearth
