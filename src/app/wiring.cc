#include "app/wiring.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "app/directories.h"
#include "app/environment.h"
#include "base/log.h"

namespace trilby::app {
namespace {

using FunctionResult = Result<std::shared_ptr<const invoke::Function>>;

std::string_view describe(wasm::Origin origin) {
  switch (origin) {
    case wasm::Origin::Cache:
      return "cached";
    case wasm::Origin::Compiled:
      return "compiled";
    case wasm::Origin::Rebuilt:
      return "rebuilt";
  }
  return "";
}

/// Prepares all, several at once; the results are in the order of `specs`.
std::vector<std::optional<FunctionResult>> prepare_all(std::vector<invoke::FunctionSpec> specs,
                                                       const wasm::Engines& engines, const Pools& pools,
                                                       const wasm::ArtifactCache& cache,
                                                       const inference::ModelHost* models) {
  std::vector<std::optional<FunctionResult>> results(specs.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < specs.size(); i = next++) {
      const Bytes stack = specs[i].policy.limits.stack;
      results[i] = invoke::prepare(std::move(specs[i]), engines.for_stack(stack), &cache, models, pools.places(stack));
      if (*results[i]) {
        const invoke::Function& ready = ***results[i];
        log::info("function ready", {{"function", ready.name()},
                                     {"code", describe(ready.origin())},
                                     {"took", trilby::format(ready.compile_time())}});
      }
    }
  };
  std::vector<std::jthread> helpers;
  const std::size_t threads = std::min<std::size_t>(specs.size(), std::max(1U, std::thread::hardware_concurrency()));
  for (std::size_t i = 1; i < threads; ++i) {
    helpers.emplace_back(work);
  }
  work();
  helpers.clear();
  return results;
}

Result<std::vector<invoke::FunctionSpec>> make_specs(const Manifest& manifest, const wasm::ArtifactCache& cache) {
  TRILBY_ASSIGN(const Secrets secrets, Secrets::load(manifest, [](const Secret&) { return true; }));
  std::vector<invoke::FunctionSpec> specs;
  for (const Function& function : manifest.functions) {
    TRILBY_CHECK(check_directories(manifest, function, cache.directory()));
    auto environment = make_environment(function, secrets);
    if (!environment) {
      return fail(located(manifest, function.source, std::move(environment).error()));
    }
    specs.push_back(make_function_spec(function));
    specs.back().environment = std::move(*environment);
  }
  forget_secret_variables(manifest);
  return specs;
}

/// What the functions of one size of stack need of their engine.
struct Group {
  Bytes memory = Bytes{64U << 10U};
  std::uint32_t table_elements = 0;
  std::uint64_t calls = 0;
  Duration queue_wait{};  // the longest
};

std::map<Bytes, Group> group_by_stack(const Manifest& manifest) {
  std::map<Bytes, Group> groups;
  for (const Function& function : manifest.functions) {
    const policy::Limits& limits = function.policy.limits;
    Group& group = groups[limits.stack];
    group.memory = std::max(group.memory, limits.memory);
    group.table_elements = std::max(group.table_elements, limits.table_elements);
    group.calls += limits.concurrency;
    group.queue_wait = std::max(group.queue_wait, limits.queue_wait);
  }
  return groups;
}

}  // namespace

invoke::FunctionSpec make_function_spec(const Function& function) {
  invoke::FunctionSpec spec;
  spec.name = function.name;
  spec.module = function.module;
  spec.policy = function.policy;
  spec.output = function.cgi ? invoke::Output::Cgi : invoke::Output::Body;
  spec.content_type = function.content_type;
  return spec;
}

inference::ModelSpec make_model_spec(const Model& model) {
  inference::ModelSpec spec;
  spec.name = model.name;
  spec.path = model.path;
  spec.threads = model.threads;
  return spec;
}

std::vector<wasm::EngineSettings> make_engine_settings(const Manifest& manifest) {
  const auto groups = group_by_stack(manifest);
  std::uint64_t all = 0;
  for (const auto& [stack, group] : groups) {
    all += group.calls;
  }
  std::vector<wasm::EngineSettings> made;
  for (const auto& [stack, group] : groups) {
    const std::uint64_t calls =
        all <= wasm::kMaxLiveCalls ? group.calls : std::max<std::uint64_t>(1, group.calls * wasm::kMaxLiveCalls / all);
    made.push_back({.max_memory = group.memory,
                    .max_calls = static_cast<std::uint32_t>(calls),
                    .max_table_elements = group.table_elements,
                    .stack = stack});
  }
  return made.empty() ? std::vector<wasm::EngineSettings>(1) : made;
}

Pools::Pools(const Manifest& manifest) {
  const auto groups = group_by_stack(manifest);
  for (const wasm::EngineSettings& engine : make_engine_settings(manifest)) {
    const auto group = groups.find(engine.stack);
    if (group == groups.end() || group->second.calls <= engine.max_calls) {
      continue;
    }
    // Who waits has a slot of its function already, so this bounds nothing beyond that.
    const auto everybody = static_cast<std::uint32_t>(group->second.calls);
    scarce_[engine.stack] = std::make_shared<invoke::Admission>(
        invoke::Admission::Limits{engine.max_calls, everybody, group->second.queue_wait});
    log::info("the functions' limits allow more calls at once than there are sandboxes; the rest waits for one",
              {{"allowed", everybody}, {"sandboxes", engine.max_calls}});
  }
}

std::shared_ptr<invoke::Admission> Pools::places(Bytes stack) const {
  const auto at = scarce_.find(stack);
  return at == scarce_.end() ? nullptr : at->second;
}

Error located(const Manifest& manifest, Source source, Error error) {
  error.message = fmt::format("{}:{}: {}", manifest.path.string(), source.line, error.message);
  return error;
}

Result<std::unique_ptr<Runtime>> Runtime::load(const Manifest& manifest, const std::filesystem::path& aot_cache) {
  std::unique_ptr<Runtime> runtime(new Runtime());
  TRILBY_ASSIGN(runtime->engines_, wasm::Engines::create(make_engine_settings(manifest)));
  const wasm::ArtifactCache cache = wasm::ArtifactCache::open(aot_cache);
  if (!manifest.models.empty()) {
    std::vector<inference::ModelSpec> specs;
    std::transform(manifest.models.begin(), manifest.models.end(), std::back_inserter(specs), make_model_spec);
    const auto start = Clock::now();
    TRILBY_ASSIGN(runtime->models_, inference::ModelHost::load(specs));
    log::info("models ready", {{"models", specs.size()}, {"took", trilby::format(Duration(Clock::now() - start))}});
  }
  TRILBY_ASSIGN(std::vector<invoke::FunctionSpec> function_specs, make_specs(manifest, cache));
  auto results =
      prepare_all(std::move(function_specs), *runtime->engines_, Pools(manifest), cache, runtime->models_.get());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!*results[i]) {
      return fail(located(manifest, manifest.functions[i].source, std::move(*results[i]).error()));
    }
    runtime->functions_.push_back(std::move(**results[i]));
  }
  cache.tidy({}, std::chrono::system_clock::now());
  return runtime;
}

std::shared_ptr<const invoke::Function> Runtime::function(std::string_view name) const {
  const auto at =
      std::find_if(functions_.begin(), functions_.end(), [&](const auto& known) { return known->name() == name; });
  return at == functions_.end() ? nullptr : *at;
}

}  // namespace trilby::app
