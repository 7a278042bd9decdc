/// \file  Loads a port of this machine with HTTP requests and prints what came of it as JSON.

#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "base/json.h"
#include "base/number.h"
#include "load/load.h"

namespace trilby::bench {
namespace {

constexpr std::string_view kUsage =
    "usage: load --port=N [--path=/] [--connections=1] [--rate=PER_SECOND] [--seconds=N] [--requests=N] [--seed=1]\n"
    "Without a rate each connection asks again once it was answered. Latencies are [microseconds, count], from due to "
    "answered.\n";

template <typename T>
bool read(std::string_view text, T& out) {
  const auto number = parse_number<T>(text);
  out = number.value_or(out);
  return number.has_value();
}

/// \return whether the argument is one of those that kUsage names
bool read_argument(std::string_view argument, LoadPlan& plan) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string_view::npos) {
    return false;
  }
  const std::string_view name = argument.substr(0, equals);
  const std::string_view value = argument.substr(equals + 1);
  if (name == "--path") {
    plan.path = value;
    return true;
  }
  if (name == "--seconds") {
    double seconds = 0;
    const bool good = read(value, seconds) && seconds >= 0 && seconds <= 1e6;
    plan.length = good ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)) : Duration{};
    return good;
  }
  return (name == "--port" && read(value, plan.port)) || (name == "--connections" && read(value, plan.connections)) ||
         (name == "--rate" && read(value, plan.rate)) || (name == "--requests" && read(value, plan.requests)) ||
         (name == "--seed" && read(value, plan.seed));
}

void write(JsonWriter& json, const Latencies& latencies) {
  json.open_array();
  for (const auto& [microseconds, count] : latencies) {
    json.open_array().value(microseconds).value(count).close_array();
  }
  json.close_array();
}

void print(const LoadResult& result) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("due", result.due).member("starved", result.starved).member("failed", result.failed);
  json.member("took_us", std::chrono::duration_cast<std::chrono::microseconds>(result.took).count());
  json.key("answers").open_object();
  for (const auto& [status, latencies] : result.answers) {
    json.key(std::to_string(status));
    write(json, latencies);
  }
  json.close_object().key("late");
  write(json, result.late);
  json.close_object();
  fmt::print("{}\n", out);
}

}  // namespace
}  // namespace trilby::bench

int main(int argc, char** argv) {
  trilby::bench::LoadPlan plan;
  for (int i = 1; i < argc; ++i) {
    if (!trilby::bench::read_argument(argv[i], plan)) {
      fmt::print(stderr, "load: {} is not understood\n{}", argv[i], trilby::bench::kUsage);
      return EXIT_FAILURE;
    }
  }
  const auto result = trilby::bench::run_load(plan);
  if (!result) {
    fmt::print(stderr, "load: {}\n{}", result.error().message,
               result.error().reason == trilby::Reason::BadRequest ? trilby::bench::kUsage : "");
    return EXIT_FAILURE;
  }
  trilby::bench::print(*result);
  return EXIT_SUCCESS;
}
