/// \file  A module linked with the host functions it imports: the last step that is done once and not for each call.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "wasm/engine.h"
#include "wasm/module.h"

struct wasmtime_instance_pre;
struct wasmtime_linker;
struct wasmtime_store;

namespace trilby::wasm {

class Guest;

/// Gives a fresh store what its host functions work on, before anything runs in it. \return false when it cannot
using StoreSetup = bool (*)(Guest& guest, wasmtime_store* store);

/// Ready to be instantiated again and again. Threading: any; immutable, but for what its guests were like.
class Prepared {
 public:
  Prepared(Engine& engine, std::string name, std::shared_ptr<const Module> module, wasmtime_instance_pre* raw,
           StoreSetup prepare)
      : engine_(&engine),
        name_(std::make_unique<const std::string>(std::move(name))),
        module_(std::move(module)),
        raw_(raw),
        setup_(prepare) {}
  [[nodiscard]] Engine& engine() const { return *engine_; }
  /// What its guests are called where they are named. Stays where it is when this moves.
  [[nodiscard]] const std::string& name() const { return *name_; }
  [[nodiscard]] const wasmtime_instance_pre* raw() const { return raw_.get(); }
  [[nodiscard]] StoreSetup setup() const { return setup_; }  ///< null: there is nothing to do
  [[nodiscard]] CallHistory& history() const { return *history_; }

 private:
  struct Delete {
    void operator()(wasmtime_instance_pre* raw) const;
  };
  Engine* engine_;
  std::unique_ptr<const std::string> name_;
  std::shared_ptr<const Module> module_;
  std::unique_ptr<wasmtime_instance_pre, Delete> raw_;
  StoreSetup setup_;
  std::unique_ptr<CallHistory> history_ = std::make_unique<CallHistory>();
};

/// The host functions that modules may import, by module and name. Filled by host/, then only read.
class Linker {
 public:
  explicit Linker(Engine& engine);
  [[nodiscard]] wasmtime_linker* raw() const { return raw_.get(); }  ///< for host/ only
  [[nodiscard]] Engine& engine() const { return engine_; }
  void set_up_stores_with(StoreSetup setup) { setup_ = setup; }
  /// \return Reason::Manifest with the engine's words when an import is missing or has another type
  [[nodiscard]] Result<Prepared> link(std::string name, std::shared_ptr<const Module> module) const;

 private:
  struct Delete {
    void operator()(wasmtime_linker* raw) const;
  };
  Engine& engine_;
  std::unique_ptr<wasmtime_linker, Delete> raw_;
  StoreSetup setup_ = nullptr;
};

}  // namespace trilby::wasm
