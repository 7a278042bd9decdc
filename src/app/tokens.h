/// \file  Dapr's API tokens, and what a collector of spans and metrics wants to see. They come in the environment,
/// where /proc/PID/environ shows them for as long as a process lives and every program that it starts inherits them.
#pragma once

#include <string>

namespace trilby::app {

struct Tokens {
  std::string app;              ///< APP_API_TOKEN: what callers of the app channel must show; empty: nothing
  std::string dapr;             ///< DAPR_API_TOKEN: what the sidecar wants to see; empty: nothing
  std::string traces_headers;   ///< OTEL_EXPORTER_OTLP_TRACES_HEADERS, or else OTEL_EXPORTER_OTLP_HEADERS
  std::string metrics_headers;  ///< OTEL_EXPORTER_OTLP_METRICS_HEADERS, or else OTEL_EXPORTER_OTLP_HEADERS
};

/// Moves the tokens to memory that /proc/PID/environ does not show, and overwrites them where they were. Programs that
/// are started later still get them. If there are any, this process and those that it starts write no core files.
/// Threading: while the process has one thread.
void hide_tokens();

/// This process, and those that it starts, write no core files, and no program is given their cores. (Where the hard
/// limit is 0 already, this process alone has the latter.)
void forbid_core_files();

/// Takes the tokens out of the environment and overwrites them there. No program that is started later gets them, and
/// no later call finds them. Threading: while the process has one thread.
[[nodiscard]] Tokens take_tokens();

}  // namespace trilby::app
