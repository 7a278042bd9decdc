#include "app/tokens.h"

#include <cstdlib>
#include <cstring>

#include <strings.h>
#include <sys/resource.h>

namespace trilby::app {
namespace {

constexpr const char* kAppToken = "APP_API_TOKEN";
constexpr const char* kDaprToken = "DAPR_API_TOKEN";

/// \return whether it is there
bool hide(const char* name) {
  char* const given = std::getenv(name);
  if (given == nullptr) {
    return false;
  }
  const std::string value = given;
  setenv(name, value.c_str(), 1);  // a copy on the heap takes its place
  if (std::getenv(name) != given) {
    explicit_bzero(given, value.size());
  }
  return true;
}

std::string take(const char* name) {
  std::string value;
  if (char* const given = std::getenv(name)) {
    value = given;
    explicit_bzero(given, value.size());
    unsetenv(name);
  }
  return value;
}

}  // namespace

void hide_tokens() {
  const bool app = hide(kAppToken);
  const bool dapr = hide(kDaprToken);
  if (app || dapr) {
    forbid_core_files();
  }
}

void forbid_core_files() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

Tokens take_tokens() {
  Tokens tokens;
  tokens.app = take(kAppToken);
  tokens.dapr = take(kDaprToken);
  return tokens;
}

}  // namespace trilby::app
