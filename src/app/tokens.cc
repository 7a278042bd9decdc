#include "app/tokens.h"

#include <cstdlib>
#include <cstring>

#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace trilby::app {
namespace {

constexpr const char* kAppToken = "APP_API_TOKEN";
constexpr const char* kDaprToken = "DAPR_API_TOKEN";
constexpr const char* kHeaders = "OTEL_EXPORTER_OTLP_HEADERS";
constexpr const char* kTracesHeaders = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
constexpr const char* kMetricsHeaders = "OTEL_EXPORTER_OTLP_METRICS_HEADERS";

/// \return whether it is there
bool hide(const char* name) {
  char* const given = std::getenv(name);
  if (given == nullptr) {
    return false;
  }
  const std::string value = given;
  setenv(name, value.c_str(), 1);  // a copy on the heap takes its place
  if (std::getenv(name) != given) {
    explicit_bzero(given, value.size());  // NOLINT(clang-analyzer-security.cert.env.InvalidPtr): glibc leaves it there
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
  bool any = false;
  for (const char* const name : {kAppToken, kDaprToken, kHeaders, kTracesHeaders, kMetricsHeaders}) {
    any = hide(name) || any;
  }
  if (any) {
    forbid_core_files();
  }
}

void forbid_core_files() {
  // A limit of 0 is not heard where a program takes cores from a pipe; 1 is, and is less than any file of a core needs
  // (Linux, fs/coredump.c).
  const rlimit none{1, 1};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {  // whoever started us allows 0, and nobody may raise that
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }
}

Tokens take_tokens() {
  Tokens tokens;
  tokens.app = take(kAppToken);
  tokens.dapr = take(kDaprToken);
  const std::string headers = take(kHeaders);
  tokens.traces_headers = take(kTracesHeaders);
  tokens.metrics_headers = take(kMetricsHeaders);
  for (std::string* own : {&tokens.traces_headers, &tokens.metrics_headers}) {
    *own = own->empty() ? headers : *own;
  }
  return tokens;
}

}  // namespace trilby::app
