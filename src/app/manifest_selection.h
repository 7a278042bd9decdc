/// \file  One app of a manifest, for a process that serves only that one.
#pragma once

#include <set>
#include <string_view>

#include "app/manifest.h"
#include "base/result.h"

namespace trilby::app {

/// The functions that an app's routes and triggers name. Ownership: refers to `app`.
[[nodiscard]] std::set<std::string_view> called_functions(const App& app);

/// Leaves of a manifest one app, its functions, and the models and secrets that these are granted. The app has a
/// sidecar then, if only at the usual port, for all other apps are beyond that.
/// \return Reason::BadRequest when there is no such app, with those that there are; `manifest` is as it was then
[[nodiscard]] Result<void> keep_only(Manifest& manifest, std::string_view app_id);

/// Of a manifest with one app: its app channel speaks this, whatever the manifest says.
/// \return Reason::Manifest when the app cannot, as when that needs a certificate which it has not; `manifest` is as it
/// was then
[[nodiscard]] Result<void> set_protocol(Manifest& manifest, Protocol protocol);

}  // namespace trilby::app
