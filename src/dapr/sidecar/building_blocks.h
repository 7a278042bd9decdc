/// \file  Publishing, saving and sending through a sidecar's HTTP API.
#pragma once

#include <memory>
#include <string>

#include "dapr/building_blocks.h"
#include "dapr/sidecar/settings.h"
#include "http/client.h"
#include "net/loop.h"

namespace trilby::dapr::sidecar {

/// Threading: loop-bound. Ownership: what it is made with outlives it, and it outlives its requests.
class SidecarBlocks final : public BuildingBlocks {
 public:
  SidecarBlocks(net::Loop& loop, http::Client& client, std::shared_ptr<const Settings> settings)
      : loop_(loop), client_(client), settings_(std::move(settings)) {}

  [[nodiscard]] std::shared_ptr<void> publish(const Publication& publication, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> save_state(const StateEntry& entry, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> get_state(const StateKey& key, Terms terms, OnValue done) override;
  [[nodiscard]] std::shared_ptr<void> invoke_binding(const BindingRequest& request, Terms terms, OnDone done) override;

 private:
  [[nodiscard]] std::shared_ptr<void> send(std::string target, Payload payload, const Terms& terms, OnDone done);

  net::Loop& loop_;
  http::Client& client_;
  const std::shared_ptr<const Settings> settings_;
};

}  // namespace trilby::dapr::sidecar
