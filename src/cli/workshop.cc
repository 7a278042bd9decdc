#include "cli/workshop.h"

#include <system_error>
#include <utility>

#include "app/directories.h"

namespace trilby::cli {

Result<Workshop> Workshop::open(const app::Manifest& manifest, const std::filesystem::path& cache) {
  TRILBY_ASSIGN(wasm::Engines engines, wasm::Engines::create(app::make_engine_settings(manifest)));
  return Workshop(manifest, std::move(engines), wasm::ArtifactCache::open(cache));
}

Result<std::shared_ptr<const invoke::Function>> Workshop::prepare(const app::Function& function,
                                                                  const inference::ModelHost* models,
                                                                  policy::Environment environment) const {
  TRILBY_CHECK(app::check_directories(*manifest_, function, cache_.directory()));
  invoke::FunctionSpec spec = app::make_function_spec(function);
  spec.environment = std::move(environment);
  auto prepared = invoke::prepare(std::move(spec), engines_.for_stack(function.policy.limits.stack), &cache_, models);
  if (!prepared) {
    return fail(app::located(*manifest_, function.source, std::move(prepared).error()));
  }
  return prepared;
}

std::string build_hint(const app::Function& function) {
  std::error_code error;
  if (!function.build || std::filesystem::exists(function.module, error)) {
    return {};
  }
  return fmt::format("cd {} && {}", function.build->workdir.string(), function.build->command);
}

}  // namespace trilby::cli
