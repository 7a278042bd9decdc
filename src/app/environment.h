/// \file  The environment of functions, from the manifest and the host's own.
#pragma once

#include "app/manifest.h"
#include "app/secrets.h"
#include "base/result.h"
#include "policy/environment.h"

namespace trilby::app {

/// What every call of `function` is given: the variables that the manifest sets, those of the host's environment that
/// it passes by name, and the secrets that it grants, all of which are in `secrets`. A variable that the host does not
/// have is not given, which the log says. Call it at start, on one thread: it reads the environment.
/// \return Reason::Manifest when all together are too much for a guest
[[nodiscard]] Result<policy::Environment> make_environment(const Function& function, const Secrets& secrets);

}  // namespace trilby::app
