#include "app/worker_lockdown.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <system_error>
#include <variant>

#include "app/manifest_grants.h"
#include "base/log.h"

namespace trilby::app {
namespace {

void say(const Lockdown& state) {
  const auto field = [&](Layer layer) {
    return log::Field(name(layer), (state[layer].on ? "" : "off: ") + state[layer].detail);
  };
  log::info("locked down", {field(Layer::NoNewPrivs), field(Layer::NoCoreDumps), field(Layer::Capabilities),
                            field(Layer::Landlock), field(Layer::Seccomp), field(Layer::NonRoot)});
  for (const Layer layer : kLayers) {
    if (!state[layer].on) {
      log::warn("a layer of the lockdown is off", {{"layer", name(layer)}, {"why", state[layer].detail}});
    }
  }
}

/// What is asked for by "required". Who the process runs as is for whoever starts it to say.
bool can_be_required(Layer layer) {
  return layer != Layer::NonRoot;
}

Result<void> check_required(const Lockdown& state) {
  for (const Layer layer : kLayers) {
    if (can_be_required(layer) && !state[layer].on) {
      return fail(Reason::Manifest, "worker.lockdown = \"required\", but {} cannot be had here: {}", name(layer),
                  state[layer].detail);
    }
  }
  return {};
}

}  // namespace

LockdownNeeds make_lockdown_needs(const Manifest& manifest) {
  LockdownNeeds needs;
  const auto add = [](std::vector<std::filesystem::path>& to, const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::path real = std::filesystem::canonical(path, error);
    if (error) {
      real = path;  // lock_down() says what is wrong with it
    } else if (!std::filesystem::is_directory(real, error)) {
      real = real.parent_path();
    }
    if (std::find(to.begin(), to.end(), real) == to.end()) {
      to.push_back(std::move(real));
    }
  };
  for (const App& app : manifest.apps) {
    for (const Route& route : app.routes) {
      if (const auto* files = std::get_if<FilesTarget>(&route.target)) {
        add(needs.read, files->root);
      }
    }
  }
  for (const App& app : manifest.apps) {
    if (app.sidecar) {
      needs.connect_ports.push_back(app.sidecar->http);
    }
  }
  for (const auto& endpoint : {manifest.observe.traces, manifest.observe.metrics}) {
    if (endpoint) {
      needs.connect_ports.push_back(endpoint->address.port);
    }
  }
  for (const policy::Directory& directory : granted_directories(manifest)) {
    add(directory.write ? needs.read_write : needs.read, directory.path);
  }
  needs.native_code = !manifest.models.empty();
  return needs;
}

Result<Lockdown> lock_worker_down(const Manifest& manifest) {
  using Mode = WorkerSettings::Lockdown;
  if (manifest.worker.lockdown == Mode::Off) {
    Lockdown none;
    for (const Layer layer : kLayers) {
      none[layer].detail = "worker.lockdown = \"off\"";
    }
    // These two do not depend on it: run_worker() sets the one, whoever starts the program decides the other.
    const Lockdown found = probe_lockdown();
    none[Layer::NoNewPrivs] = found[Layer::NoNewPrivs];
    none[Layer::NonRoot] = found[Layer::NonRoot];
    log::warn("this worker is not locked down: worker.lockdown = \"off\"");
    return none;
  }
  if (manifest.worker.lockdown == Mode::Required) {
    TRILBY_CHECK(check_required(probe_lockdown()));
  }
  // Times in the log are local ones, and the file that says how is not read again.
  tzset();
  TRILBY_ASSIGN(Lockdown state, lock_down(make_lockdown_needs(manifest)));
  say(state);
  return state;
}

}  // namespace trilby::app
