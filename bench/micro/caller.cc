#include "micro/caller.h"

#include <cstdlib>
#include <utility>

#include <fmt/core.h>

#include "base/json.h"
#include "host/host.h"
#include "wasm/sandbox.h"

namespace trilby::bench {

void give_up(std::string_view why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(EXIT_FAILURE);
}

Caller::Caller() : invoker_(invoke::make_invoker(loop_)) {
  auto engine = wasm::Engine::create({.max_memory = Bytes{128U << 20U}});
  if (!engine) {
    give_up(engine.error().message);
  }
  engine_ = std::move(*engine);
}

std::shared_ptr<const invoke::Function> Caller::prepare(invoke::FunctionSpec spec, const inference::ModelHost* models) {
  auto function = invoke::prepare(std::move(spec), *engine_, nullptr, models);
  if (!function) {
    give_up(function.error().message);
  }
  return std::move(*function);
}

void Caller::repeat(std::size_t turns, std::function<void(std::function<void()> next)> turn) {
  std::size_t left = turns;
  std::function<void()> go = [this, &left, &turn, &go] {
    if (left-- == 0) {
      loop_.stop();
    } else {
      turn([this, &go] { loop_.post(go); });
    }
  };
  loop_.post(go);
  loop_.run();
}

void Caller::call(const std::shared_ptr<const invoke::Function>& function, std::string input,
                  std::function<void(Duration, std::string)> done) {
  Call call;
  call.id = "0123456789abcdef";
  call.method = "POST";
  call.path = "/";
  call.caller = "bench";
  call.body = make_body(std::move(input));
  const auto start = Clock::now();
  invoker_->start(function, std::move(call), [start, done = std::move(done)](Outcome outcome) {
    const Duration took = Clock::now() - start;
    if (outcome.reason != Reason::Ok || !outcome.body) {
      give_up(fmt::format("{}: {} {} {}", outcome.function, name(outcome.reason), outcome.detail, outcome.message));
    }
    outcome.body->read([&](Result<BodySource::Chunk> chunk) {
      if (!chunk || !chunk->last) {
        give_up(fmt::format("{}: its output does not come at once", outcome.function));
      }
      done(took, std::move(chunk->bytes));
    });
  });
}

std::optional<std::pair<Duration, std::string>> Caller::run_bare(const invoke::Function& function, std::string input) {
  const policy::Limits& limits = function.limits();
  const auto start = Clock::now();
  std::optional<wasm::Ending> ending;
  host::Host host(function.name(), {}, function.spec().policy.grants, function.spec().environment, nullptr);
  host.stdio.input = std::move(input);
  host.stdio.output_limit = limits.response_body;
  wasm::Sandbox sandbox(loop_, meter_, function.prepared(), engine_->enter(true),
                        {limits.memory, limits.table_elements, limits.cpu}, &host);
  sandbox.run("_start", start, [&ending](wasm::Ending how) { ending = std::move(how); });
  const Duration took = Clock::now() - start;
  if (!ending) {
    return std::nullopt;
  }
  if (ending->how != wasm::Ending::How::Returned && ending->how != wasm::Ending::How::Exited) {
    give_up(fmt::format("{}: {}", function.name(), ending->message));
  }
  return std::pair{took, std::move(host.stdio.output)};
}

void print(const std::vector<const Samples*>& all) {
  std::string out;
  JsonWriter json(out);
  json.open_object();
  for (const Samples* samples : all) {
    json.key(samples->name).open_array();
    for (const Duration value : samples->values) {
      json.value(value.count());
    }
    json.close_array();
  }
  json.close_object();
  fmt::print("{}\n", out);
}

}  // namespace trilby::bench
