#include "app/environment.h"

#include <cstdlib>

#include "base/log.h"

namespace trilby::app {
namespace {

Result<void> add(const Function& function, policy::Environment& environment, std::string_view name,
                 std::string_view value) {
  auto added = environment.add(name, value);
  if (!added) {
    return fail(Reason::Manifest, "function {}: the variable {}: {}", function.name, name, added.error().message);
  }
  return {};
}

}  // namespace

Result<policy::Environment> make_environment(const Function& function, const Secrets& secrets) {
  policy::Environment environment;
  for (const auto& [name, value] : function.variables) {
    TRILBY_CHECK(add(function, environment, name, value));
  }
  for (const std::string& name : function.policy.grants.variables) {
    if (const char* value = std::getenv(name.c_str())) {
      TRILBY_CHECK(add(function, environment, name, value));
    } else {
      log::warn("a function is to be given a variable that the host does not have",
                {{"function", function.name}, {"variable", name}});
    }
  }
  for (const std::string& secret : function.policy.grants.secrets) {
    const std::vector<char>* value = secrets.find(secret);
    if (value == nullptr) {
      return fail(Reason::Internal, "function {}: the secret {} was not read", function.name, secret);
    }
    TRILBY_CHECK(add(function, environment, policy::secret_variable(secret), {value->data(), value->size()}));
  }
  return environment;
}

}  // namespace trilby::app
