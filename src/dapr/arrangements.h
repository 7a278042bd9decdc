/// \file  What an app arranges with its own sidecar so that its triggers are called. No function may ask for any of it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "call/shared_body.h"
#include "dapr/building_blocks.h"

namespace trilby::dapr {

/// What Error::message begins with when a sidecar refuses. Otherwise nobody knows whether it did what it was asked.
inline constexpr std::string_view kRefusal = "the sidecar refuses: ";

/// Subscriptions to changes of configuration, and jobs. Threading: loop-bound. Who asks is told as BuildingBlocks says.
class Arrangements {
 public:
  using OnDone = BuildingBlocks::OnDone;
  using OnAnswer = BuildingBlocks::OnAnswer;

  virtual ~Arrangements() = default;

  /// What the sidecar tells of itself, a JSON text.
  [[nodiscard]] virtual std::shared_ptr<void> read_metadata(Terms terms, Room room, OnAnswer done) = 0;
  /// Leaves `value` with the sidecar, which tells it among its metadata, below "extended", until its process ends.
  /// \param name  as one part of a path
  [[nodiscard]] virtual std::shared_ptr<void> set_metadata(std::string_view name, SharedBytes value, Terms terms,
                                                           OnDone done) = 0;

  /// Each time it is asked it makes another subscription, which lasts until it is ended, or the sidecar's process is.
  /// \param keys  none: every key
  /// \param done  is given {"id":"..."}, a JSON text
  [[nodiscard]] virtual std::shared_ptr<void> subscribe_configuration(std::string_view store,
                                                                      std::span<const std::string> keys,
                                                                      const Metadata& metadata, Terms terms, Room room,
                                                                      OnAnswer done) = 0;
  /// That the sidecar has no such subscription, or store, is well too.
  [[nodiscard]] virtual std::shared_ptr<void> unsubscribe_configuration(std::string_view store, std::string_view id,
                                                                        Terms terms, OnDone done) = 0;

  /// What the scheduler has of a job of the app, a JSON text. One that it does not have is an error like any other.
  [[nodiscard]] virtual std::shared_ptr<void> read_job(std::string_view name, Terms terms, Room room,
                                                       OnAnswer done) = 0;
  /// BuildingBlocks::set_job().
  [[nodiscard]] virtual std::shared_ptr<void> set_job(std::string_view name, SharedBytes what, Terms terms,
                                                      BuildingBlocks::OnChange done) = 0;
};

}  // namespace trilby::dapr
