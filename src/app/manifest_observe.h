/// \file  Where spans and metrics go: [observe] of the manifest, and the variables by which OpenTelemetry is set up.
/// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "app/manifest.h"
#include "app/manifest_section.h"
#include "base/result.h"
#include "call/fields.h"

namespace trilby::app {

/// The longest that one request to a collector may be told to take.
inline constexpr std::chrono::milliseconds kMostOtlpTimeout{60'000};

/// Reads [observe].
void read_observe(Section& section, Observe& out);

/// Gives a variable of the environment; empty: it is not set.
using FindVariable = std::function<std::string(const char*)>;

/// Puts what OTEL_* variables say in the place of the manifest's:
///   OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT
///   OTEL_EXPORTER_OTLP_PROTOCOL and that of each signal: http/protobuf, where anything is exported
///   OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER: otlp or none
///   OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
///   OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
///   OTEL_METRIC_EXPORT_INTERVAL, OTEL_BSP_SCHEDULE_DELAY
///   OTEL_EXPORTER_OTLP_TIMEOUT and that of each signal
/// Those of headers hold secrets and are no part of a manifest: parse_otlp_headers().
/// \return Reason::BadRequest for what is not understood or cannot be done, with the variable's name
[[nodiscard]] Result<void> apply_telemetry(Manifest& manifest, const FindVariable& variable);

/// "api-key=secret,other=a%20b", as OTEL_EXPORTER_OTLP_HEADERS has them. Messages hold nothing of it.
/// \param name  of the variable, for messages
[[nodiscard]] Result<Fields> parse_otlp_headers(std::string_view text, std::string_view name);

/// "http://127.0.0.1:4318/v1/traces"
[[nodiscard]] std::string format(const OtlpEndpoint& endpoint);

}  // namespace trilby::app
